package vip_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"net/netip"

	"usher/vrrp"
	"usher/vrrp/vip"
	"usher/vrrp/vip/viptest"
)

// owner stands for an engine: an instance that lacks something is made to give way,
// and becomes active again once it can hold everything, for nobody else is there.
type owner struct {
	*vip.Manager
	start time.Time
	told  []string // "after: reason"
	at    []time.Duration
}

func newOwner(t *testing.T, kernel vip.Kernel, c vrrp.Config, active bool) *owner {
	t.Helper()
	o := &owner{start: time.Now()}
	words := make(chan string, 100)
	o.Manager = vip.New(vip.Options{Kernel: kernel, Unheld: func(_, reason string) { words <- reason }})
	if err := o.Configure(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	engine := make(chan struct{})
	go func() {
		defer close(engine)
		for {
			select {
			case <-ctx.Done():
				return
			case reason := <-words:
				o.told, o.at = append(o.told, reason), append(o.at, time.Since(o.start))
				o.Set(c.Name, active && reason == "")
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		<-engine
	})
	o.Set(c.Name, active)
	return o
}

// TestGivesWay: an active instance that lacks one address is made to give way within
// a second, with the object and the kernel's word, and comes back by itself once a
// trial says that it can: not before, and nothing of the trial is left.
func TestGivesWay(t *testing.T) {
	for _, bind := range []vrrp.Bind{vrrp.BindAddress, vrrp.BindLocalRoute} {
		synctest.Test(t, func(t *testing.T) {
			k := &viptest.Kernel{}
			k.AddLink("eth0")
			full := errors.New("no room")
			k.Refuse(func(o vip.Object) error {
				switch o.(type) {
				case vip.Address, vip.LocalRoute:
					return full
				}
				return nil
			})
			c := web(vrrp.Announce{})
			c.Bind, c.Accept, c.Lease = bind, true, 0
			c.Addresses = append(c.Addresses, vrrp.Address{Prefix: netip.MustParsePrefix("192.0.2.9/32"), Interface: "eth7", Untracked: true}) // which it does without
			k.AddLink("eth7")
			o := newOwner(t, k, c, true)
			k.RemoveLink("eth7")
			pass(time.Second)
			first := vip.Object(vip.Address{Link: "eth0", Prefix: netip.PrefixFrom(one, 32)})
			if bind == vrrp.BindLocalRoute {
				first = vip.LocalRoute{Link: "eth0", Address: one}
			}
			if len(o.told) != 1 || o.at[0] > time.Second || len(o.told[0]) < len(first.String()) || o.told[0][:len(first.String())] != first.String() {
				t.Fatalf("told %q at %v; want that %s is not held", o.told, o.at, first)
			}
			pass(time.Minute)
			if len(o.told) != 1 {
				t.Fatalf("told %q at %v while nothing can be held", o.told, o.at)
			}
			k.Refuse(nil)
			pass(11 * time.Second)
			if len(o.told) != 2 || o.told[1] != "" || !o.Held("web") {
				t.Fatalf("told %q, held %v; want it back", o.told, o.Held("web"))
			}
			if all := k.Objects(); len(all) != 2 {
				t.Errorf("the kernel has %v", all)
			}
		})
	}
}

// TestRouteIsDoneWithout: a route and a rule that the kernel refuses are told, and tried
// again; the addresses stay.
func TestRouteIsDoneWithout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &viptest.Kernel{}
		k.AddLink("eth0")
		k.Refuse(func(o vip.Object) error {
			switch o.(type) {
			case vip.Route, vip.Rule:
				return errors.New("network is unreachable")
			}
			return nil
		})
		c := web(vrrp.Announce{})
		c.Accept = true
		c.Routes = []vrrp.Route{{To: netip.MustParsePrefix("198.51.100.0/24"), Via: netip.MustParseAddr("192.0.2.254")}}
		o := newOwner(t, k, c, true)
		pass(time.Minute)
		if len(o.told) != 0 || !o.Held("web") {
			t.Errorf("told %q, held %v", o.told, o.Held("web"))
		}
		if n := len(k.Objects()); n != len(c.Addresses) {
			t.Errorf("the kernel has %v", k.Objects())
		}
		k.Refuse(nil)
		pass(6 * time.Second)
		if n := len(k.Objects()); n != len(c.Addresses)+1 {
			t.Errorf("the kernel has %v", k.Objects())
		}
	})
}

// TestBlindInPart: where the kernel does not say what rules it has, all else is put right.
func TestBlindInPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &viptest.Kernel{}
		k.AddLink("eth0")
		c := web(vrrp.Announce{})
		c.Accept = true
		c.Routes = []vrrp.Route{{To: netip.MustParsePrefix("198.51.100.0/24"), Via: netip.MustParseAddr("192.0.2.254")}}
		newOwner(t, blindKernel{k}, c, true)
		pass(time.Second)
		all := k.Objects()
		for _, o := range all {
			if _, ok := o.(vip.Address); ok {
				_ = k.Remove(o) // nobody is told
			}
		}
		pass(2 * time.Second)
		if now := k.Objects(); len(now) != len(all) {
			t.Errorf("the kernel has %v, had %v", now, all)
		}
	})
}

// blindKernel does not say what routes it has.
type blindKernel struct{ *viptest.Kernel }

func (k blindKernel) Look(objects []vip.Object) ([]vip.Sight, error) {
	seen, err := k.Kernel.Look(objects)
	for i, o := range objects {
		if _, ok := o.(vip.Route); ok {
			seen[i], err = vip.Unseen, errors.New("no answer")
		}
	}
	return seen, err
}

// TestGivesWayEverRarer: where trials succeed and the real thing does not, an instance
// comes back after ever longer pauses.
func TestGivesWayEverRarer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &viptest.Kernel{}
		k.AddLink("eth0")
		k.Fail(vip.Address{Link: "eth0", Prefix: netip.PrefixFrom(two, 32)}, errors.New("of all things"))
		c := web(vrrp.Announce{})
		c.Accept = true
		o := newOwner(t, k, c, true)
		pass(30 * time.Minute)
		var backs []time.Duration
		for i := 1; i < len(o.told); i += 2 {
			if o.told[i] != "" || o.told[i-1] == "" {
				t.Fatalf("told %q", o.told)
			}
			backs = append(backs, o.at[i]-o.at[i-1])
		}
		if len(backs) < 8 || len(backs) > 15 || backs[0] > 2*time.Second || !slices.IsSorted(backs) || backs[len(backs)-1] < 4*time.Minute {
			t.Errorf("away for %v", backs)
		}
	})
}

// TestBackupLacksWhatStands: a backup router whose macvlan cannot be made says so, and
// takes it back as soon as it is there.
func TestBackupLacksWhatStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &viptest.Kernel{}
		k.AddLink("eth0")
		c := web(vrrp.Announce{})
		c.VirtualMAC, c.Accept, c.VRID = true, true, 51
		bad := vip.Macvlan{Name: vrrp.VirtualDevice(c, false)}
		k.Fail(bad, errors.New("busy"))
		o := newOwner(t, k, c, false)
		pass(time.Second)
		if len(o.told) != 1 || o.told[0] == "" {
			t.Fatalf("told %q", o.told)
		}
		k.Fail(bad, nil)
		pass(6 * time.Second)
		if len(o.told) < 2 || o.told[len(o.told)-1] != "" {
			t.Errorf("told %q", o.told)
		}
	})
}

// hungKernel does not answer before it is let.
type hungKernel struct {
	vip.Kernel
	answer chan struct{}
}

func (k hungKernel) Add(o vip.Object) error {
	<-k.answer
	return k.Kernel.Add(o)
}

// TestKernelThatDoesNotAnswer: whoever waits for the kernel gives way as well.
func TestKernelThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &viptest.Kernel{}
		k.AddLink("eth0")
		hung := hungKernel{k, make(chan struct{})}
		c := web(vrrp.Announce{})
		c.Accept = true
		o := newOwner(t, hung, c, true)
		pass(time.Second)
		if len(o.told) != 1 || o.told[0] == "" {
			t.Errorf("told %q", o.told)
		}
		close(hung.answer)
		pass(5 * time.Second)
		if len(o.told) != 2 || o.told[1] != "" || !o.Held("web") {
			t.Errorf("told %q, held %v", o.told, o.Held("web"))
		}
	})
}

// TestManyAddressesTakeTheirTime: an instance that is still taking its addresses over
// after a second lacks nothing.
func TestManyAddressesTakeTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &viptest.Kernel{}
		k.AddLink("eth0")
		k.Refuse(func(vip.Object) error { <-time.After(10 * time.Millisecond); return nil }) // slow, as it is
		c := web(vrrp.Announce{})
		c.Accept, c.Addresses, c.Lease = true, nil, 0
		for i := range 500 {
			c.Addresses = append(c.Addresses, vrrp.Address{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 32)})
		}
		o := newOwner(t, k, c, true)
		pass(6 * time.Second)
		if len(o.told) != 0 || !o.Held("web") {
			t.Errorf("told %q, held %v", o.told, o.Held("web"))
		}
	})
}
