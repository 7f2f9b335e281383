package vip_test

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"usher/vrrp"
	"usher/vrrp/vip"
)

// TestSharedRoutes: a route and a rule that two active instances have alike stay while one
// of them holds them, though the other gives way, is reconfigured or removed.
func TestSharedRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := web(vrrp.Announce{}), web(vrrp.Announce{})
		b.Name, b.Addresses = "mail", []vrrp.Address{{Prefix: netip.MustParsePrefix("192.0.2.3/32")}}
		for _, c := range []*vrrp.Config{&a, &b} {
			c.Accept = true
			c.Routes = []vrrp.Route{{To: netip.MustParsePrefix("198.51.100.0/24"), Interface: "eth0"}}
			c.Rules = []vrrp.Rule{{From: netip.MustParsePrefix("198.51.100.0/24"), Table: 100, Priority: 10}}
		}
		m := newBubble(t, a, b)
		has := func(when string, want int) {
			t.Helper()
			synctest.Wait()
			n := 0
			for _, o := range m.kernel.Objects() {
				switch o.(type) {
				case vip.Route, vip.Rule:
					n++
				}
			}
			if n != want {
				t.Errorf("%s: %d of the route and the rule, want %d: %v", when, n, want, m.kernel.Objects())
			}
		}
		m.Set("web", true)
		m.Set("mail", true)
		has("both are active", 2)
		m.Set("web", false)
		has("one gave way", 2)
		pass(3 * time.Second)
		m.Set("web", true)
		has("both again", 2)
		bare := a
		bare.Routes, bare.Rules = nil, nil
		if err := m.Configure(bare); err != nil {
			t.Fatal(err)
		}
		has("one has them no more", 2)
		m.Remove("web")
		has("one is removed", 2)
		m.Set("mail", false)
		has("none is active", 0)
		synctest.Wait()
		for len(m.events) > 0 {
			if e := <-m.events; slices.Contains([]vrrp.EventKind{vrrp.EventAddressRepaired, vrrp.EventRouteFailed, vrrp.EventAddressFailed}, e.Kind) {
				t.Errorf("told as somebody's doing: %+v", e)
			}
		}
	})
}
