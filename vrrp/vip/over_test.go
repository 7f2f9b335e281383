package vip_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"usher/vrrp"
	"usher/vrrp/vip"
)

// TestFailureIsOver: what could not be held is told to be over when it can be, and when
// the instance is not active any more.
func TestFailureIsOver(t *testing.T) {
	for _, backup := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBubble(t, web(vrrp.Announce{}))
			b.kernel.Refuse(func(vip.Object) error { return errors.New("no room") })
			b.Set("web", true)
			if e := <-b.events; e.Kind != vrrp.EventAddressFailed {
				t.Fatalf("%s: %s", e.Kind, e.Reason)
			}
			b.kernel.Refuse(nil)
			if backup {
				b.Set("web", false)
			}
			if e := <-b.events; e.Kind != vrrp.EventAddressEnd || e.Instance != "web" {
				t.Errorf("%s: %s", e.Kind, e.Reason)
			}
		})
	}
}
