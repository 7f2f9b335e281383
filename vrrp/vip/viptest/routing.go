package viptest

import (
	"net/netip"
	"testing"
	"time"

	"usher/vrrp"
	"usher/vrrp/vip"
)

// full is an instance with everything that comes and goes.
func full(w World) vrrp.Config {
	c := config(w, both...)
	c.VirtualMAC = true
	c.Routes = []vrrp.Route{{To: netip.MustParsePrefix("198.51.100.0/24"), Interface: w.Link, Source: netip.MustParseAddr("192.0.2.1")}}
	c.Rules = []vrrp.Rule{{From: netip.MustParsePrefix("192.0.2.1/32"), Table: 100, Priority: 1000}, {Mark: 7, Table: 100}}
	return c
}

// everything: what stands stands from configuration to removal; the rest comes and
// goes with the state; and nothing is left.
func everything(t *testing.T, w World) {
	c := full(w)
	v4, v6 := vrrp.VirtualDevice(c, false), vrrp.VirtualDevice(c, true)
	standing := []vip.Object{
		vip.Macvlan{Name: v4, Parent: w.Link, MAC: [6]byte{0, 0, 0x5e, 0, 1, 51}}, vip.Macvlan{Name: v6, Parent: w.Link, MAC: [6]byte{0, 0, 0x5e, 0, 2, 51}},
		vip.Drop{Instance: "web", Addresses: "192.0.2.1 2001:db8::1"},
	}
	active := []vip.Object{
		vip.Address{Link: v4, Prefix: netip.MustParsePrefix(both[0])}, vip.Address{Link: v6, Prefix: netip.MustParsePrefix(both[1])},
		vip.Route{To: netip.MustParsePrefix("198.51.100.0/24"), Link: w.Link, Table: 254, Type: "unicast", Source: netip.MustParseAddr("192.0.2.1")},
		vip.Rule{From: netip.MustParsePrefix("192.0.2.1/32"), Table: 100, Priority: 1000},
		vip.Rule{Mark: 7, Table: 100}, vip.Rule{V6: true, Mark: 7, Table: 100},
	}
	there := func(objects []vip.Object, want bool) bool {
		t.Helper()
		for _, o := range objects {
			if seen := look(t, w, o); (seen == vip.InPlace) != want {
				return false
			}
		}
		return true
	}
	m := manage(t, w, c)
	eventually(t, "what stands is there", func() bool { return there(standing, true) })
	for range 2 {
		m.Set("web", true)
		eventually(t, "held", func() bool { return m.Held("web") })
		if !there(standing, true) || !there(active, true) {
			t.Error("held, and not everything is there")
		}
		awaitHeard(t, w, netip.MustParseAddr("192.0.2.1"))
		m.Set("web", false)
		eventually(t, "given back", func() bool { return there(active, false) })
		if !there(standing, true) {
			t.Error("what stands is gone")
		}
	}
	m.stop()
	if !there(standing, false) || !there(active, false) {
		t.Error("something is left")
	}
	for len(m.events) > 0 {
		t.Errorf("event %+v", <-m.events)
	}
}

func localRoutes(t *testing.T, w World) {
	c := config(w, both...)
	c.Bind, c.Accept = vrrp.BindLocalRoute, true
	m := manage(t, w, c)
	m.Set("web", true)
	eventually(t, "held", func() bool { return m.Held("web") })
	for _, p := range both {
		a := netip.MustParsePrefix(p).Addr()
		awaitHeard(t, w, a)
		if seen := look(t, w, vip.LocalRoute{Link: w.Link, Address: a}); seen != vip.InPlace {
			t.Errorf("%s: seen as %v", a, seen)
		}
		if _, ok := find(t, w, w.address(p, 0)); ok {
			t.Errorf("%s is an address", a)
		}
	}
	m.stop()
	for _, p := range both {
		if seen := look(t, w, vip.LocalRoute{Link: w.Link, Address: netip.MustParsePrefix(p).Addr()}); seen != vip.Absent {
			t.Errorf("%s is left: %v", p, seen)
		}
	}
}

func putsRouteBack(t *testing.T, w World) {
	c := config(w, "192.0.2.1/32")
	c.Routes = []vrrp.Route{{To: netip.MustParsePrefix("198.51.100.0/24"), Interface: w.Link}}
	m := manage(t, w, c)
	m.Set("web", true)
	eventually(t, "held", func() bool { return m.Held("web") })
	watch(t, w) // the manager's own watch is there as well, then
	r := vip.Route{To: netip.MustParsePrefix("198.51.100.0/24"), Link: w.Link, Table: 254, Type: "unicast"}
	if err := w.Kernel.Remove(r); err != nil {
		t.Fatal(err)
	}
	eventually(t, "put back", func() bool { return look(t, w, r) == vip.InPlace })
	if e := <-m.events; e.Kind != vrrp.EventAddressRepaired {
		t.Errorf("event %+v", e)
	}
}

// interfaceComesBack: what is lost with an interface is there again with it, at
// once and announced, while the instance is active. (An engine that sees the
// interface go gives it up; a tracked address may be on another one.)
func interfaceComesBack(t *testing.T, w World) {
	m := manage(t, w, full(w))
	m.Set("web", true)
	eventually(t, "held", func() bool { return m.Held("web") })
	w.RemoveLink(t)
	select {
	case e := <-m.events:
		if e.Kind != vrrp.EventAddressFailed {
			t.Errorf("event %+v", e)
		}
	case <-time.After(limit):
		t.Fatal("no event")
	}
	for len(w.Heard) > 0 {
		<-w.Heard
	}
	w.AddLink(t)
	eventually(t, "held again", func() bool { return m.Held("web") })
	awaitHeard(t, w, netip.MustParseAddr("192.0.2.1"))
}
