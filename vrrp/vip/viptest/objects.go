package viptest

import (
	"errors"
	"io/fs"
	"net/netip"
	"testing"

	"usher/vrrp/vip"
)

// macvlan is one that a world's interface can carry.
func (w World) macvlan() vip.Macvlan {
	return vip.Macvlan{Name: "vrrp4-51-test", Parent: w.Link, MAC: [6]byte{0, 0, 0x5e, 0, 1, 51}}
}

// objects has one of every kind that is not an address, and every family.
func (w World) objects() []vip.Object {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	return []vip.Object{
		vip.LocalRoute{Link: w.Link, Address: addr("192.0.2.1")},
		vip.LocalRoute{Link: w.Link, Address: addr("2001:db8::1")},
		vip.Route{To: prefix("198.51.100.0/24"), Link: w.Link, Table: 254, Type: "unicast", Metric: 7, MTU: 1400},
		vip.Route{To: prefix("0.0.0.0/0"), Link: w.Link, Table: 100},
		vip.Route{To: prefix("2001:db8:1::/48"), Link: w.Link, Table: 254},
		vip.Route{To: prefix("203.0.113.0/24"), Table: 254, Type: "blackhole"},
		vip.Route{To: prefix("2001:db8:2::/48"), Table: 254, Type: "unreachable"},
		vip.Rule{From: prefix("192.0.2.1/32"), Table: 100, Priority: 1000},
		vip.Rule{Mark: 7, Mask: 0xff, Link: w.Link, Table: 100, Priority: 1001},
		vip.Rule{V6: true, To: prefix("2001:db8::/32"), Table: 100, Priority: 1000},
		w.macvlan(),
		vip.Drop{Instance: "web", Addresses: "192.0.2.1 2001:db8::1"},
	}
}

// others is the life of every kind of object that is not an address.
func others(t *testing.T, w World) {
	for _, o := range w.objects() {
		there := func() bool {
			t.Helper()
			seen := look(t, w, o)
			if seen != vip.Absent && seen != vip.InPlace {
				t.Errorf("%s: seen as %v", o, seen)
			}
			return seen.Ours()
		}
		if there() {
			t.Errorf("%s: there before it is added", o)
		}
		if err := w.Kernel.Add(o); err != nil {
			t.Errorf("%s: add: %v", o, err)
			continue
		}
		if !there() {
			t.Errorf("%s: not there", o)
		}
		if err := w.Kernel.Add(o); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: add twice: %v", o, err)
		}
		if err := w.Kernel.Remove(o); err != nil {
			t.Errorf("%s: remove: %v", o, err)
		}
		if there() {
			t.Errorf("%s: there after it was removed", o)
		}
		if err := w.Kernel.Remove(o); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: remove twice: %v", o, err)
		}
	}
}

func routingReported(t *testing.T, w World) {
	changes := watch(t, w)
	for _, o := range []vip.Object{
		vip.LocalRoute{Link: w.Link, Address: netip.MustParseAddr("192.0.2.1")},
		vip.Route{To: netip.MustParsePrefix("198.51.100.0/24"), Link: w.Link, Table: 254},
		vip.Rule{From: netip.MustParsePrefix("192.0.2.1/32"), Table: 100, Priority: 1000},
	} {
		if err := w.Kernel.Add(o); err != nil {
			t.Fatal(err)
		}
		if err := w.Kernel.Remove(o); err != nil {
			t.Fatal(err)
		}
		awaitChange(t, changes, vip.Change{Routing: true})
	}
}

func macvlanGoes(t *testing.T, w World) {
	m := w.macvlan()
	if err := w.Kernel.Add(m); err != nil {
		t.Fatal(err)
	}
	if err := w.Kernel.Add(vip.Up{Link: m.Name}); err != nil {
		t.Fatal(err)
	}
	on := vip.Address{Link: m.Name, Prefix: netip.MustParsePrefix(both[0])}
	if err := w.Kernel.Add(on); err != nil {
		t.Fatal(err)
	}
	w.RemoveLink(t)
	if seen := look(t, w, m); seen != vip.Absent {
		t.Errorf("still there: %v", seen)
	}
	if err := w.Kernel.Remove(on); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("remove the address: %v", err)
	}
}
