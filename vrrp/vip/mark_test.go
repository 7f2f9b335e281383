package vip_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"usher/vrrp"
)

// TestMarklessKernel: where the kernel keeps no marks of addresses nothing is put right
// time and again, and what was added goes all the same.
func TestMarklessKernel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		b.kernel.Markless = true
		vip := netip.MustParsePrefix("192.0.2.1/32")
		if err := b.Configure(vrrp.Config{Name: "web", Interface: "eth0", Addresses: []vrrp.Address{{Prefix: vip}}}); err != nil {
			t.Fatal(err)
		}
		b.Set("web", true)
		time.Sleep(time.Minute)
		if !b.Held("web") || !b.kernel.Has(vip.Addr()) {
			t.Error("not held")
		}
		for len(b.events) > 0 {
			t.Errorf("event %+v", <-b.events)
		}
		if n := b.Repairs("web"); len(n) > 0 {
			t.Errorf("repairs %v", n)
		}
	})
}
