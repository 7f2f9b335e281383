package vrrpproc

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/vrrp"
	"usher/vrrp/vip"
)

// TestChildGivesWay: a child whose kernel refuses an address is in fault within a
// second of its first advert, says which and why, sends nothing more, and is active
// again by itself once the kernel takes it.
func TestChildGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.kernel.Refuse(func(o vip.Object) error {
			if _, is := o.(vip.Address); is {
				return errors.New("permission denied")
			}
			return nil
		})
		if err := w.Apply(desired("web")); err != nil {
			t.Fatal(err)
		}
		var active, fault time.Time
		for fault.IsZero() {
			select {
			case e := <-w.events:
				switch {
				case e.Kind != vrrp.EventState:
				case e.To == vrrp.Active:
					active = e.Time
				case e.To == vrrp.Fault:
					fault = e.Time
				}
			case <-time.After(time.Minute):
				t.Fatal("no fault")
			}
		}
		if active.IsZero() || fault.Sub(active) > time.Second {
			t.Errorf("active at %v, in fault at %v", active, fault)
		}
		if last := lastOf(w.sent); last != 0 {
			t.Errorf("last advert has priority %d; want the resignation", last)
		}
		pass(time.Minute)
		if n := len(w.sent); n > 0 {
			t.Errorf("%d adverts while in fault", n)
		}
		s := w.Status()
		if len(s) != 1 || s[0].State != vrrp.Fault || s[0].Held || !strings.Contains(s[0].Reason, virtualAddress.String()) || !strings.Contains(s[0].Reason, "permission denied") {
			t.Errorf("status %+v", s)
		}
		w.kernel.Refuse(nil)
		pass(20 * time.Second)
		if s := w.Status(); s[0].State != vrrp.Active || !s[0].Held || !w.kernel.Has(virtualAddress) {
			t.Errorf("status %+v", s)
		}
	})
}
