package viptest

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/vrrp"
	"usher/vrrp/vip"
)

// putsRight: whatever is done to any object of an active instance is put right within
// a second of the kernel's word, or of the next look where it says none; and told.
func putsRight(t *testing.T, w World) {
	c := full(w)
	m := manage(t, w, c)
	m.Set("web", true)
	eventually(t, "held", func() bool { return m.Held("web") })
	watch(t, w) // the manager's own watch is there as well, then
	v4 := vrrp.VirtualDevice(c, false)
	mac := vip.Macvlan{Name: v4, Parent: w.Link, MAC: [6]byte{0, 0, 0x5e, 0, 1, 51}}
	address := vip.Address{Link: v4, Prefix: netip.MustParsePrefix(both[0])}
	drop := vip.Drop{Instance: "web", Addresses: "192.0.2.1 2001:db8::1"}
	settings := []vip.Object{
		vip.Sysctl{Owner: "web", Key: "net/ipv4/conf/" + v4 + "/arp_ignore", Value: "1"},
		vip.Sysctl{Owner: "web", Key: "net/ipv4/conf/" + w.Link + "/arp_ignore", Value: "1"},
	}
	all := append(settings, mac, vip.Up{Link: v4}, address, drop,
		vip.Address{Link: vrrp.VirtualDevice(c, true), Prefix: netip.MustParsePrefix(both[1])},
		vip.Route{To: netip.MustParsePrefix("198.51.100.0/24"), Link: w.Link, Table: 254, Type: "unicast", Source: netip.MustParseAddr("192.0.2.1")},
		vip.Rule{From: netip.MustParsePrefix("192.0.2.1/32"), Table: 100, Priority: 1000}, vip.Rule{Mark: 7, Table: 100},
	)
	whole := func() bool {
		seen, err := w.Kernel.Look(all)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range seen {
			if s != vip.InPlace {
				return false
			}
		}
		return true
	}
	if !whole() {
		t.Fatal("held, and not whole")
	}
	for _, o := range all {
		for how, do := range map[string]func(){
			"changed": func() { w.Spoil(t, o) },
			"removed": func() {
				if err := w.Kernel.Remove(o); err != nil {
					t.Fatalf("remove %s: %v", o, err)
				}
			},
		} {
			if _, ok := o.(vip.Sysctl); ok && how == "removed" {
				continue // nobody removes a setting
			}
			for len(m.events) > 0 {
				<-m.events
			}
			do()
			start := time.Now()
			eventually(t, o.String()+" "+how+" is put right", whole)
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%s %s: put right after %v", o, how, took)
			}
			told(t, m, fmt.Sprint(o, " ", how))
			eventually(t, "held", func() bool { return m.Held("web") })
		}
	}
}

// told waits for the event that something was put right. A look at the kernel may fall
// into the removal of an interface, and see one on which nothing can be had any more, or
// an address that a route can no longer have as its source.
func told(t *testing.T, m managed, what string) {
	t.Helper()
	patience := time.After(limit)
	for {
		select {
		case e := <-m.events:
			if e.Kind == vrrp.EventAddressRepaired {
				return
			}
			address := e.Kind == vrrp.EventAddressFailed && strings.Contains(e.Reason, syscall.ENODEV.Error())
			route := e.Kind == vrrp.EventRouteFailed && strings.Contains(e.Reason, syscall.EINVAL.Error())
			over := e.Kind == vrrp.EventAddressEnd || e.Kind == vrrp.EventRouteEnd
			if !address && !route && !over {
				t.Errorf("%s: event %+v", what, e)
				return
			}
		case <-patience:
			t.Errorf("%s: no event", what)
			return
		}
	}
}

// marksAgain: an address that somebody gave its attributes anew, which takes usher's mark
// away, is marked again: it would stay for ever else when this process dies.
func marksAgain(t *testing.T, w World) {
	c := config(w, both...)
	c.Lease = 0
	m := manage(t, w, c)
	m.Set("web", true)
	eventually(t, "held", func() bool { return m.Held("web") })
	for i, p := range both {
		a := w.address(p, 0)
		eventually(t, p+" is there", func() bool { return look(t, w, a) == vip.InPlace })
		w.Unmark(t, a)
		if seen := look(t, w, a); seen != vip.Foreign {
			t.Fatalf("without its mark %s is seen as %v", p, seen)
		}
		eventually(t, p+" is marked again", func() bool { return look(t, w, a) == vip.InPlace })
		select {
		case e := <-m.events:
			if e.Kind != vrrp.EventAddressRepaired {
				t.Errorf("event %+v", e)
			}
		case <-time.After(limit):
			t.Error("no event")
		}
		if n := m.Repairs("web")[vrrp.ObjectAddress]; n != uint64(i)+1 {
			t.Errorf("%d repairs are counted", n)
		}
	}
	m.stop()
	for _, p := range both {
		if _, there := find(t, w, w.address(p, 0)); there {
			t.Errorf("%s is left", p)
		}
	}
}

// rebinds: the way in which an address is held is changed while it is held.
func rebinds(t *testing.T, w World) {
	c := config(w, both...)
	c.Accept = true
	m := manage(t, w, c)
	m.Set("web", true)
	eventually(t, "held", func() bool { return m.Held("web") })
	for _, bind := range []vrrp.Bind{vrrp.BindLocalRoute, vrrp.BindAddress, vrrp.BindLocalRoute} {
		c.Bind = bind
		if err := m.Configure(c); err != nil {
			t.Fatal(err)
		}
		for _, p := range both {
			a := w.address(p, c.Lease)
			r := vip.LocalRoute{Link: w.Link, Address: a.Prefix.Addr()}
			want, other := vip.Object(a), vip.Object(r)
			if bind == vrrp.BindLocalRoute {
				want, other = r, a
			}
			eventually(t, want.String()+" alone", func() bool { return look(t, w, want) == vip.InPlace && look(t, w, other) == vip.Absent })
		}
	}
	m.stop()
	for _, p := range both {
		if seen := look(t, w, vip.LocalRoute{Link: w.Link, Address: netip.MustParsePrefix(p).Addr()}); seen != vip.Absent {
			t.Errorf("%s is left: %v", p, seen)
		}
	}
	for len(m.events) > 0 {
		t.Errorf("event %+v", <-m.events)
	}
}

// renamedWhileHeld: an interface is given another name, and only then, as an engine
// does that sees it go, the instance is made to give way. Nothing stays on it.
func renamedWhileHeld(t *testing.T, w World) {
	c := config(w, both...)
	c.Lease = 0
	m := manage(t, w, c)
	m.Set("web", true)
	eventually(t, "held", func() bool { return m.Held("web") })
	w.Rename(t, "u9")
	eventually(t, "seen", func() bool { return !m.Held("web") })
	m.Set("web", false)
	eventually(t, "withdrawn", func() bool {
		for _, p := range both {
			if _, there := find(t, w, vip.Address{Link: "u9", Prefix: netip.MustParsePrefix(p)}); there {
				return false
			}
		}
		return true
	})
	w.AddLink(t)
}

// outlivesPredecessor: a process that was started again finds what the one before it
// is only about to remove, and takes it for its own. Once that is gone it is made again,
// with all that is on it.
func outlivesPredecessor(t *testing.T, w World) {
	c := full(w)
	before := manage(t, w, c)
	before.Set("web", true)
	eventually(t, "held by the one before", func() bool { return before.Held("web") })
	m := manage(t, w, c)
	eventually(t, "known to the next", func() bool { return len(standingOf(w, c)) == countInPlace(t, w, standingOf(w, c)) })
	m.Set("web", true)
	eventually(t, "held by the next", func() bool { return m.Held("web") })
	before.stop()
	all := append(standingOf(w, c), vip.Up{Link: vrrp.VirtualDevice(c, false)},
		vip.Address{Link: vrrp.VirtualDevice(c, false), Prefix: netip.MustParsePrefix(both[0])},
		vip.Address{Link: vrrp.VirtualDevice(c, true), Prefix: netip.MustParsePrefix(both[1])})
	eventually(t, "whole again", func() bool { return countInPlace(t, w, all) == len(all) && m.Held("web") })
}

// standingOf is what an instance with a virtual MAC holds while backup, too.
func standingOf(w World, c vrrp.Config) []vip.Object {
	return []vip.Object{
		vip.Macvlan{Name: vrrp.VirtualDevice(c, false), Parent: w.Link, MAC: [6]byte{0, 0, 0x5e, 0, 1, 51}},
		vip.Macvlan{Name: vrrp.VirtualDevice(c, true), Parent: w.Link, MAC: [6]byte{0, 0, 0x5e, 0, 2, 51}},
		vip.Drop{Instance: "web", Addresses: "192.0.2.1 2001:db8::1"},
	}
}

func countInPlace(t *testing.T, w World, objects []vip.Object) (n int) {
	t.Helper()
	seen, err := w.Kernel.Look(objects)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range seen {
		if s == vip.InPlace {
			n++
		}
	}
	return n
}
