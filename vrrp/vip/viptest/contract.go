package viptest

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"usher/vrrp/vip"
)

// World is a system in which the suites run: one interface, and a wire on which
// announcements are heard.
type World struct {
	Kernel     vip.Kernel
	Link       string                        // an interface that is there
	Foreign    func(*testing.T, vip.Address) // adds an address as somebody else does
	RemoveLink func(*testing.T)              // removes the interface
	AddLink    func(*testing.T)              // makes it again
	Rename     func(t *testing.T, to string) // gives it another name
	Spoil      func(*testing.T, vip.Object)  // does to an object what somebody else may do
	Unmark     func(*testing.T, vip.Address) // gives an address its attributes anew, as somebody else does
	Heard      <-chan netip.Addr             // addresses announced on the wire
}

// Run runs one body as a subtest in a fresh world.
type Run func(t *testing.T, name string, body func(*testing.T, World))

// limit is how long to wait for what must happen.
const limit = 30 * time.Second

// Contract is what every Kernel does. It runs on the double and on the real one,
// which is what makes the double true.
func Contract(t *testing.T, run Run) {
	for name, body := range map[string]func(*testing.T, World){
		"add twice is ErrExist":            addTwice,
		"remove nothing is ErrNotExist":    removeNothing,
		"no such interface":                noLink,
		"a lease runs out":                 leaseRunsOut,
		"a renewed lease does not run out": leaseRenewed,
		"renewing brings back":             renewBringsBack,
		"a lease can be lifted":            leaseLifted,
		"whose address":                    whose,
		"removal is reported":              removalReported,
		"the interface goes":               interfaceGoes,
		"announcements are heard":          announced,
		"other objects":                    others,
		"objects that somebody changed":    spoilt,
		"a local route beside its address": besideAddress,
		"a rule without a priority":        unnumberedRule,
		"an interface with another name":   renamed,
		"changes of interfaces":            linksReported,
		"removed routing is reported":      routingReported,
		"a macvlan goes with its parent":   macvlanGoes,
	} {
		run(t, name, body)
	}
}

func (w World) address(prefix string, lease time.Duration) vip.Address {
	return vip.Address{Link: w.Link, Prefix: netip.MustParsePrefix(prefix), Lease: lease}
}

func add(t *testing.T, w World, a vip.Address) {
	t.Helper()
	if err := w.Kernel.Add(a); err != nil {
		t.Fatalf("add %s: %v", a, err)
	}
}

// look gives what the kernel has of one object.
func look(t *testing.T, w World, o vip.Object) vip.Sight {
	t.Helper()
	seen, err := w.Kernel.Look([]vip.Object{o})
	if err != nil {
		t.Fatalf("%s: Look: %v", o, err)
	}
	return seen[0]
}

func find(t *testing.T, w World, a vip.Address) (vip.Found, bool) {
	t.Helper()
	all, err := w.Kernel.Addresses()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(f vip.Found) bool { return f.Address.Identity() == a.Identity() })
	if i < 0 {
		return vip.Found{}, false
	}
	return all[i], true
}

// watch gives the changes of a world, from now on.
func watch(t *testing.T, w World) <-chan vip.Change {
	t.Helper()
	changes := make(chan vip.Change, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- w.Kernel.Watch(ctx, func(c vip.Change) {
			if c.Link == "" || c.Link == w.Link { // a machine has other interfaces, too
				changes <- c
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Watch: %v", err)
		}
	})
	awaitChange(t, changes, vip.Change{}) // with which it begins
	return changes
}

func awaitChange(t *testing.T, changes <-chan vip.Change, want vip.Change) {
	t.Helper()
	timeout := time.After(limit)
	for {
		select {
		case c := <-changes:
			if c == want {
				return
			}
		case <-timeout:
			t.Fatalf("no change %v within %v", want, limit)
		}
	}
}

// both gives a test an address of each family.
var both = []string{"192.0.2.1/32", "2001:db8::1/128"}

func addTwice(t *testing.T, w World) {
	for _, p := range both {
		a := w.address(p, 0)
		add(t, w, a)
		a.Label, a.Lease = w.Link+":x", time.Minute
		if err := w.Kernel.Add(a); !errors.Is(err, fs.ErrExist) {
			t.Errorf("second add of %s: %v", p, err)
		}
	}
	// Another prefix length is another address.
	add(t, w, w.address("192.0.2.1/24", 0))
}

func removeNothing(t *testing.T, w World) {
	for _, p := range both {
		if err := w.Kernel.Remove(w.address(p, 0)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("remove %s: %v", p, err)
		}
	}
	gone := vip.Address{Link: "nowhere", Prefix: netip.MustParsePrefix(both[0])}
	if err := w.Kernel.Remove(gone); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("remove from an interface that is not there: %v", err)
	}
}

func noLink(t *testing.T, w World) {
	a := vip.Address{Link: "nowhere", Prefix: netip.MustParsePrefix(both[0])}
	if err := w.Kernel.Add(a); !errors.Is(err, syscall.ENODEV) {
		t.Errorf("add: %v", err)
	}
	if err := w.Kernel.Prepare("nowhere"); !errors.Is(err, syscall.ENODEV) {
		t.Errorf("prepare: %v", err)
	}
	if err := w.Kernel.Announce(vip.Announcement{Link: "nowhere", Address: a.Prefix.Addr()}); !errors.Is(err, syscall.ENODEV) {
		t.Errorf("announce: %v", err)
	}
}

func leaseRunsOut(t *testing.T, w World) {
	changes := watch(t, w)
	for _, p := range both {
		a := w.address(p, 500*time.Millisecond) // rounded up to one second
		start := time.Now()
		add(t, w, a)
		if f, ok := find(t, w, a); !ok || !f.Leased {
			t.Errorf("%s: %+v, there %v; want it leased", p, f, ok)
		}
		awaitChange(t, changes, vip.Change{Link: w.Link, Address: a.Prefix.Addr()})
		if took := time.Since(start); took < 900*time.Millisecond {
			t.Errorf("%s: a lease of 1 s ended after %v", p, took)
		}
		if _, ok := find(t, w, a); ok {
			t.Errorf("%s is still there", p)
		}
	}
}

func leaseRenewed(t *testing.T, w World) {
	changes := watch(t, w)
	for _, p := range both {
		add(t, w, w.address(p, 3*time.Second))
	}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for range 8 {
		select {
		case c := <-changes:
			t.Fatalf("%v although it was renewed in time", c)
		case <-tick.C:
		}
		for _, p := range both {
			if err := w.Kernel.Renew(w.address(p, 3*time.Second)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, p := range both {
		a := w.address(p, 3*time.Second)
		if err := w.Kernel.Remove(a); err != nil {
			t.Fatal(err)
		}
		awaitChange(t, changes, vip.Change{Link: w.Link, Address: a.Prefix.Addr()})
	}
}

func renewBringsBack(t *testing.T, w World) {
	for _, p := range both {
		a := w.address(p, time.Minute)
		if err := w.Kernel.Renew(a); err != nil {
			t.Fatal(err)
		}
		if f, ok := find(t, w, a); !ok || !f.Ours {
			t.Errorf("%s: %+v, there %v", p, f, ok)
		}
	}
}

func leaseLifted(t *testing.T, w World) {
	for _, p := range both {
		a := w.address(p, time.Minute)
		add(t, w, a)
		a.Lease = 0
		if err := w.Kernel.Renew(a); err != nil {
			t.Fatal(err)
		}
		if f, _ := find(t, w, a); f.Leased {
			t.Errorf("%s: %+v; want no lease", p, f)
		}
	}
}

func whose(t *testing.T, w World) {
	mine, other := w.address("192.0.2.1/32", 0), w.address("192.0.2.2/32", 0)
	add(t, w, mine)
	w.Foreign(t, other)
	if f, ok := find(t, w, mine); !ok || !f.Ours {
		t.Errorf("mine: %+v, there %v", f, ok)
	}
	if f, ok := find(t, w, other); !ok || f.Ours {
		t.Errorf("somebody else's: %+v, there %v", f, ok)
	}
	if a, b := look(t, w, mine), look(t, w, other); a != vip.InPlace || b != vip.Foreign {
		t.Errorf("seen as %v and %v", a, b)
	}
	if err := w.Kernel.Add(other); !errors.Is(err, fs.ErrExist) {
		t.Errorf("add of somebody else's: %v", err)
	}
}

func removalReported(t *testing.T, w World) {
	changes := watch(t, w)
	for _, p := range both {
		a := w.address(p, 0)
		add(t, w, a)
		if err := w.Kernel.Remove(a); err != nil {
			t.Fatal(err)
		}
		awaitChange(t, changes, vip.Change{Link: w.Link, Address: a.Prefix.Addr()})
	}
}

func interfaceGoes(t *testing.T, w World) {
	changes := watch(t, w)
	a := w.address(both[0], 0)
	add(t, w, a)
	w.RemoveLink(t)
	awaitChange(t, changes, vip.Change{Link: w.Link})
	if err := w.Kernel.Add(a); !errors.Is(err, syscall.ENODEV) {
		t.Errorf("add: %v", err)
	}
}

func announced(t *testing.T, w World) {
	for _, p := range both {
		a := netip.MustParsePrefix(p).Addr()
		if err := w.Kernel.Prepare(w.Link); err != nil {
			t.Fatal(err)
		}
		if err := w.Kernel.Announce(vip.Announcement{Link: w.Link, Address: a}); err != nil {
			t.Fatal(err)
		}
		awaitHeard(t, w, a)
	}
}

func awaitHeard(t *testing.T, w World, want netip.Addr) {
	t.Helper()
	timeout := time.After(limit)
	for {
		select {
		case a := <-w.Heard:
			if a == want {
				return
			}
		case <-timeout:
			t.Fatalf("no announcement of %s within %v", want, limit)
		}
	}
}
