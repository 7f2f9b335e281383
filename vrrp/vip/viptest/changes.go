package viptest

import (
	"errors"
	"io/fs"
	"net/netip"
	"syscall"
	"testing"

	"usher/vrrp/vip"
)

// spoilt: what somebody else has made of an object is seen; removed and added, it is
// as it shall be.
func spoilt(t *testing.T, w World) {
	m := w.macvlan()
	if err := w.Kernel.Add(m); err != nil {
		t.Fatal(err)
	}
	objects := append(w.objects(), vip.Up{Link: m.Name}, vip.Sysctl{Owner: "web", Key: "net/ipv4/conf/" + m.Name + "/arp_ignore", Value: "1"},
		w.address(both[0], 0), w.address(both[1], 0), vip.Address{Link: m.Name, Prefix: netip.MustParsePrefix("192.0.2.3/32")})
	for _, o := range objects {
		if err := w.Kernel.Add(o); err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatalf("%s: add: %v", o, err)
		}
		w.Spoil(t, o)
		if seen := look(t, w, o); seen != vip.Differs && seen != vip.Absent {
			t.Errorf("%s: seen as %v once it is spoilt", o, seen)
		}
		if err := w.Kernel.Remove(o); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: remove: %v", o, err)
		}
		if err := w.Kernel.Add(o); err != nil {
			t.Errorf("%s: add again: %v", o, err)
		}
		if seen := look(t, w, o); seen != vip.InPlace {
			t.Errorf("%s: seen as %v once it is made again", o, seen)
		}
		if o == vip.Object(m) { // without it nothing else could be
			continue
		}
		if err := w.Kernel.Remove(o); err != nil {
			t.Errorf("%s: remove at the end: %v", o, err)
		}
	}
}

// besideAddress: the local route that the kernel makes for an address is not the one
// that usher makes, and neither takes the other along.
func besideAddress(t *testing.T, w World) {
	add(t, w, w.address("198.51.100.9/24", 0)) // with the last one all routes of an interface go
	for _, p := range both {
		a := w.address(p, 0)
		r := vip.LocalRoute{Link: w.Link, Address: a.Prefix.Addr()}
		add(t, w, a)
		if seen := look(t, w, r); seen != vip.Absent {
			t.Errorf("%s: seen as %v, for the kernel's", r, seen)
		}
		if err := w.Kernel.Add(r); err != nil {
			t.Fatalf("%s beside its address: %v", r, err)
		}
		if err := w.Kernel.Add(r); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: add twice: %v", r, err)
		}
		if err := w.Kernel.Remove(a); err != nil {
			t.Fatal(err)
		}
		if seen := look(t, w, r); seen != vip.InPlace {
			t.Errorf("%s: seen as %v without its address", r, seen)
		}
		add(t, w, a)
		if err := w.Kernel.Remove(r); err != nil {
			t.Fatal(err)
		}
		if seen := look(t, w, a); seen != vip.InPlace {
			t.Errorf("%s: seen as %v without its route", a, seen)
		}
	}
}

// unnumberedRule: the kernel gives it a priority, and it is found again by what it is.
func unnumberedRule(t *testing.T, w World) {
	for _, r := range []vip.Rule{
		{From: netip.MustParsePrefix("10.7.0.0/24"), Table: 100},
		{Mark: 7, Mask: 0xff, Table: 100},
		{V6: true, From: netip.MustParsePrefix("2001:db8:7::/48"), Table: 100},
	} {
		if err := w.Kernel.Add(r); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := w.Kernel.Add(r); !errors.Is(err, fs.ErrExist) {
				t.Errorf("%s: add again: %v", r, err)
			}
		}
		other := r
		other.Table = 101
		if seen := look(t, w, other); seen != vip.Absent {
			t.Errorf("%s: seen as %v", other, seen)
		}
		if err := w.Kernel.Remove(r); err != nil {
			t.Fatal(err)
		}
		if seen := look(t, w, r); seen != vip.Absent {
			t.Errorf("%s: seen as %v once it is removed", r, seen)
		}
	}
}

// renamed: what went with an interface to another name can still be removed, also
// where another interface has the name now.
func renamed(t *testing.T, w World) {
	for _, again := range []bool{false, true} {
		to := "u8"
		if again {
			to = "u9"
		}
		changes := watch(t, w)
		var all []vip.Address
		for _, p := range both {
			a := w.address(p, 0)
			add(t, w, a)
			all = append(all, a)
		}
		w.Rename(t, to)
		awaitChange(t, changes, vip.Change{Link: w.Link})
		for _, a := range all {
			if seen := look(t, w, a); seen != vip.Absent {
				t.Errorf("%s: seen as %v", a, seen)
			}
			if err := w.Kernel.Add(a); !errors.Is(err, syscall.ENODEV) {
				t.Errorf("add %s: %v", a, err)
			}
		}
		if again {
			w.AddLink(t)
		}
		for _, a := range all {
			if again { // it is put where it belongs, and nowhere else
				add(t, w, a)
			}
			if err := w.Kernel.Remove(a); err != nil {
				t.Errorf("remove %s: %v", a, err)
			}
			if f, ok := find(t, w, vip.Address{Link: to, Prefix: a.Prefix}); ok {
				t.Errorf("left: %+v", f)
			}
			if f, ok := find(t, w, a); ok {
				t.Errorf("left: %+v", f)
			}
		}
		if !again {
			w.AddLink(t)
		}
	}
}

// linksReported: whatever else may be done to an interface is told.
func linksReported(t *testing.T, w World) {
	m := w.macvlan()
	w.Link = m.Name
	changes := watch(t, w)
	for _, o := range []vip.Object{m, vip.Up{Link: m.Name}} {
		if err := w.Kernel.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	w.Spoil(t, vip.Up{Link: m.Name})
	awaitChange(t, changes, vip.Change{Link: m.Name, Down: true})
	if err := w.Kernel.Add(vip.Up{Link: m.Name}); err != nil {
		t.Fatal(err)
	}
	w.Spoil(t, m)
	awaitChange(t, changes, vip.Change{Link: m.Name})
	if err := w.Kernel.Remove(m); err != nil {
		t.Fatal(err)
	}
	awaitChange(t, changes, vip.Change{Link: m.Name})
}
