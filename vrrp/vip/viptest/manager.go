package viptest

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"usher/vrrp"
	"usher/vrrp/vip"
)

// Manager is what a vip.Manager does, whatever the kernel is.
func Manager(t *testing.T, run Run) {
	for name, body := range map[string]func(*testing.T, World){
		"takes, renews and gives back":         takes,
		"puts back what somebody removed":      putsBack,
		"leaves alone what was there before":   leavesForeign,
		"removes everything on return":         removesOnReturn,
		"a new configuration in place":         reconfigures,
		"clean-up of leftovers":                cleansUp,
		"leftovers while not active":           sweeps,
		"everything that an instance can have": everything,
		"local routes":                         localRoutes,
		"a route that somebody removed":        putsRouteBack,
		"an interface that goes and comes":     interfaceComesBack,
		"an interface that comes late":         lateInterface,
		"puts right whatever is changed":       putsRight,
		"marks again what lost its mark":       marksAgain,
		"a predecessor that still removes":     outlivesPredecessor,
		"another way to hold an address":       rebinds,
		"an interface is renamed while held":   renamedWhileHeld,
	} {
		run(t, name, body)
	}
}

// managed is a running manager with one instance, "web".
type managed struct {
	*vip.Manager
	events chan vrrp.Event
	stop   func()
}

func config(w World, prefixes ...string) vrrp.Config {
	c := vrrp.Config{
		Name: "web", Interface: w.Link, VRID: 51, Priority: 100, Version: 3, Interval: time.Second, Lease: 4 * time.Second,
		Announce: vrrp.Announce{Repeat: 2},
	}
	for _, p := range prefixes {
		c.Addresses = append(c.Addresses, vrrp.Address{Prefix: netip.MustParsePrefix(p)})
	}
	return c
}

func manage(t *testing.T, w World, c vrrp.Config) managed {
	t.Helper()
	m := managed{events: make(chan vrrp.Event, 100)}
	m.Manager = vip.New(vip.Options{Kernel: w.Kernel, Events: func(e vrrp.Event) { m.events <- e }})
	if err := m.Configure(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	stopped := false
	m.stop = func() {
		cancel()
		if stopped {
			return
		}
		stopped = true
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(m.stop)
	return m
}

// eventually waits until a condition holds, looking at every change and, because
// not everything is reported, every few milliseconds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(limit)
	for !ok() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

func takes(t *testing.T, w World) {
	m := manage(t, w, config(w, "192.0.2.1/32", "192.0.2.2/32"))
	one, two := w.address("192.0.2.1/32", 0), w.address("192.0.2.2/32", 0)
	changes := watch(t, w)
	m.Set("web", true)
	awaitHeard(t, w, one.Prefix.Addr())
	awaitHeard(t, w, two.Prefix.Addr())
	eventually(t, "held", func() bool { return m.Held("web") })
	for _, a := range []vip.Address{one, two} {
		if f, ok := find(t, w, a); !ok || !f.Ours || !f.Leased {
			t.Errorf("%s: %+v, there %v", a, f, ok)
		}
	}
	select { // longer than the lease
	case c := <-changes:
		t.Fatalf("%v while held", c)
	case <-time.After(5 * time.Second):
	}
	m.Set("web", false)
	awaitChange(t, changes, vip.Change{Link: w.Link, Address: two.Prefix.Addr()})
	awaitChange(t, changes, vip.Change{Link: w.Link, Address: one.Prefix.Addr()})
	if m.Held("web") {
		t.Error("held after Set(false)")
	}
}

func putsBack(t *testing.T, w World) {
	m := manage(t, w, config(w, "192.0.2.1/32"))
	a := w.address("192.0.2.1/32", 0)
	m.Set("web", true)
	eventually(t, "held", func() bool { return m.Held("web") })
	awaitHeard(t, w, a.Prefix.Addr())
	awaitHeard(t, w, a.Prefix.Addr()) // the whole burst
	watch(t, w)                       // the manager's own watch is there as well, then
	if err := w.Kernel.Remove(a); err != nil {
		t.Fatal(err)
	}
	awaitHeard(t, w, a.Prefix.Addr())
	if f, ok := find(t, w, a); !ok || !f.Leased {
		t.Errorf("not put back: %+v, there %v", f, ok)
	}
	select {
	case e := <-m.events:
		if e.Kind != vrrp.EventAddressRepaired || e.Instance != "web" {
			t.Errorf("event %+v", e)
		}
	case <-time.After(limit):
		t.Error("no event")
	}
}

func leavesForeign(t *testing.T, w World) {
	a := w.address("192.0.2.1/32", 0)
	w.Foreign(t, a)
	m := manage(t, w, config(w, "192.0.2.1/32"))
	m.Set("web", true)
	awaitHeard(t, w, a.Prefix.Addr())
	eventually(t, "held", func() bool { return m.Held("web") })
	if f, _ := find(t, w, a); f.Leased || f.Ours {
		t.Errorf("%+v; want it as it was", f)
	}
	m.stop()
	if _, ok := find(t, w, a); !ok {
		t.Error("removed what was there before")
	}
}

func removesOnReturn(t *testing.T, w World) {
	c := config(w, both...)
	c.Lease = 0
	m := manage(t, w, c)
	m.Set("web", true)
	eventually(t, "held", func() bool { return m.Held("web") })
	m.stop()
	for _, p := range both {
		if _, ok := find(t, w, w.address(p, 0)); ok {
			t.Errorf("%s is still there", p)
		}
	}
}

func reconfigures(t *testing.T, w World) {
	m := manage(t, w, config(w, "192.0.2.1/32", "192.0.2.2/32"))
	m.Set("web", true)
	eventually(t, "held", func() bool { return m.Held("web") })
	changes := watch(t, w)
	c := config(w, "192.0.2.2/32", "192.0.2.3/32")
	c.Lease = 0
	if err := m.Configure(c); err != nil {
		t.Fatal(err)
	}
	awaitChange(t, changes, vip.Change{Link: w.Link, Address: netip.MustParseAddr("192.0.2.1")})
	for _, p := range []string{"192.0.2.2/32", "192.0.2.3/32"} {
		if f, ok := find(t, w, w.address(p, 0)); !ok || f.Leased {
			t.Errorf("%s: %+v, there %v; want it without a lease", p, f, ok)
		}
	}
	m.Remove("web")
	awaitChange(t, changes, vip.Change{Link: w.Link, Address: netip.MustParseAddr("192.0.2.2")})
	// The same name at once again is another instance, not active yet.
	if err := m.Configure(c); err != nil {
		t.Fatal(err)
	}
	m.Set("web", true)
	eventually(t, "held again", func() bool { return m.Held("web") })
}

func cleansUp(t *testing.T, w World) {
	ours, plain, owned := w.address("192.0.2.1/32", time.Hour), w.address("192.0.2.2/32", 0), w.address("192.0.2.3/32", 0)
	add(t, w, ours)
	w.Foreign(t, plain)
	w.Foreign(t, owned)
	owner := config(w, "192.0.2.3/32")
	owner.Priority = vrrp.OwnerPriority
	all := []vrrp.Config{config(w, "192.0.2.1/32", "192.0.2.2/32", "192.0.2.9/32"), owner}
	removed, err := vip.Withdraw(t.Context(), w.Kernel, all)
	if err != nil || len(removed) != 1 || removed[0].Identity() != ours.Identity() {
		t.Errorf("withdrew %v, %v; want what is ours", removed, err)
	}
	add(t, w, ours)
	removed, err = vip.Cleanup(t.Context(), w.Kernel, all)
	if err != nil {
		t.Fatal(err)
	}
	if len(removed) != 1 || removed[0].Identity() != ours.Identity() {
		t.Errorf("removed %v; want what an usher left alone", removed)
	}
	for _, a := range []vip.Address{plain, owned} {
		if _, ok := find(t, w, a); !ok {
			t.Errorf("%v was removed, which somebody else put there", a)
		}
	}
}

// sweeps: what comes with usher's mark while the instance is not active goes when that
// is said again; what somebody else put there, and other addresses, stay.
func sweeps(t *testing.T, w World) {
	left, plain, other := w.address("192.0.2.1/32", 0), w.address("192.0.2.2/32", 0), w.address("192.0.2.3/32", 0)
	m := manage(t, w, config(w, "192.0.2.1/32", "192.0.2.2/32"))
	m.Set("web", true)
	eventually(t, "held", func() bool { return m.Held("web") })
	m.Set("web", false)
	eventually(t, "given back", func() bool { _, there := find(t, w, left); return !there })
	eventually(t, "all given back", func() bool { _, there := find(t, w, plain); return !there })
	add(t, w, left)
	add(t, w, other)
	w.Foreign(t, plain)
	m.Set("web", false)
	eventually(t, "swept", func() bool { _, there := find(t, w, left); return !there })
	for _, a := range []vip.Address{plain, other} {
		if _, ok := find(t, w, a); !ok {
			t.Errorf("%v was removed", a)
		}
	}
}

func lateInterface(t *testing.T, w World) {
	c := config(w, "192.0.2.1/32")
	c.Interface = "nowhere"
	m := vip.New(vip.Options{Kernel: w.Kernel})
	if err := m.Configure(c); err == nil {
		t.Error("no error for an interface that is not there")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	m.Set("web", true)
	c.Interface = w.Link
	if err := m.Configure(c); err != nil {
		t.Error(err)
	}
	eventually(t, "held", func() bool { return m.Held("web") })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
