package keys_test

import (
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"usher/cmd/usher/internal/plan"
	"usher/conf"
	"usher/conf/conftest"
	"usher/vrrp"
)

// The directors of a pair.
const (
	active = conftest.Active
	backup = conftest.Backup
)

// handover is how long nobody has an address that is handed over: Skew_Time of the
// backup, 609 ms with priority 100, and a flight.
const handover = 620 * time.Millisecond

// TestVRRP: a change of each key that VRRP has a part in, on the active director and on
// the backup.
func TestVRRP(t *testing.T) {
	for _, c := range conftest.Changes(t, func(blocks []string) bool { return blocks[0] != "virtual_server" }) {
		worst, moved := vrrp.Quiet, false
		for _, on := range []conftest.Role{active, backup} {
			if reflect.DeepEqual(c.Before[on].VRRP(), c.After[on].VRRP()) {
				continue // nothing that the VRRP process would hear of
			}
			t.Run(c.Key+" on the "+on.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					effect, m := moves(t, c, on)
					worst, moved = max(worst, effect), moved || m
				})
			})
		}
		if worst > vrrp.Weighs && !moved {
			t.Errorf("%s: a plan says that %s, and nothing moved on either", c.Key, worst)
		}
	}
}

// moves changes a key on one director of a pair and compares what the addresses and the
// adverts do with what the plan said. It gives that, and whether anything moved.
func moves(t *testing.T, c conftest.Change, on conftest.Role) (said vrrp.Effect, moved bool) {
	p := newPair(t)
	p.routers[active].apply(c.Before[active].VRRP())
	p.settle(8 * time.Second)
	p.routers[backup].apply(c.Before[backup].VRRP())
	p.settle(8 * time.Second)
	forecast := plan.Compare(c.After[on], c.Before[on])
	p.measure(kept(c.Before[on], c.After[on]))
	if len(p.watched) < 5 {
		t.Fatalf("%d addresses are watched", len(p.watched))
	}
	begin := time.Now()
	p.let(1500 * time.Millisecond)
	if len(p.none)+len(p.several)+len(p.said) > 0 {
		t.Fatalf("not at rest before the change: none %v, several %v, %v", p.none, p.several, p.said)
	}
	p.routers[on].apply(c.After[on].VRRP())
	p.let(30 * time.Second)

	if forecast.Empty() {
		t.Error("the plan has no change")
	}
	for _, line := range forecast.VRRP {
		said = max(said, effectOf(t, line.Effect))
		if drops := effectOf(t, line.Effect).Drops(); line.Drops != drops {
			t.Errorf("%s: drops %v", line, line.Drops)
		}
	}
	moved = len(p.none)+len(p.several)+len(p.said)+p.resigns > 0
	story := fmt.Sprintf("on none %v, on both %v, %d adverts of priority 0, %q", p.none, p.several, p.resigns, p.said)
	t.Logf("%v: %s", said, story)
	switch {
	case said == vrrp.Quiet && moved:
		t.Errorf("the plan says nothing of it, but something moved: %s", story)
	case said == vrrp.Weighs:
		// Priority 0, and the peer takes over within its Skew_Time; or it preempts.
		p.within(p.none, handover)
		p.within(p.several, 10*flight)
	case said == vrrp.Parts:
		p.within(p.none, 0)
	case said == vrrp.Anew:
		p.within(p.none, 5*time.Second) // a whole election, where no peer takes over
		if !moved {
			t.Error("the plan says that it is elected anew, and it is not")
		}
	}
	if said <= vrrp.Weighs {
		p.steady(c.Before[on], c.After[on], begin)
	}
	if said == vrrp.Quiet {
		p.whole(c.After, on)
	}
	return said, moved
}

// effectOf is the effect that a plan's words stand for.
func effectOf(t *testing.T, words string) vrrp.Effect {
	for e := vrrp.Quiet; e <= vrrp.Anew; e++ {
		if e.String() == words {
			return e
		}
	}
	t.Fatalf("no effect is called %q", words)
	return 0
}

// within asserts that no address was somewhere for longer.
func (p *pair) within(times map[netip.Addr]time.Duration, limit time.Duration) {
	p.t.Helper()
	for a, d := range times {
		if d > limit {
			p.t.Errorf("%v for %v, which may be %v", a, d, limit)
		}
	}
}

// steady asserts that there was no gap between adverts of an instance: never more than
// the interval, of which the longer one counts where it is that which changes.
func (p *pair) steady(before, after *conf.Config, since time.Time) {
	p.t.Helper()
	for n, i := range after.Instances {
		last := since
		for _, at := range append(p.adverts[i.Name], time.Now()) {
			if gap := at.Sub(last); gap > max(i.Interval, before.Instances[n].Interval)+handover {
				p.t.Errorf("no advert of %s for %v after %v", i.Name, gap, last.Sub(since))
			}
			last = at
		}
	}
}

// whole asserts that the active director has all addresses of the configuration that it
// has now, and no others, and the backup none.
func (p *pair) whole(after [2]*conf.Config, on conftest.Role) {
	p.t.Helper()
	want := map[netip.Addr]bool{}
	if on == active {
		each(after[active], func(_ vrrp.Config, a netip.Addr) { want[a] = true })
		if have := p.routers[active].holds(); !maps.Equal(have, want) {
			p.t.Errorf("the active has %v, want %v", have, want)
		}
	}
	if have := p.routers[backup].holds(); len(have) > 0 {
		p.t.Errorf("the backup has %v", have)
	}
}

// kept are the virtual addresses that an instance has before and after.
func kept(before, after *conf.Config) (all []netip.Addr) {
	had := map[string]bool{}
	each(before, func(i vrrp.Config, a netip.Addr) { had[i.Name+a.String()] = true })
	each(after, func(i vrrp.Config, a netip.Addr) {
		if had[i.Name+a.String()] {
			all = append(all, a)
		}
	})
	return all
}

func each(c *conf.Config, f func(vrrp.Config, netip.Addr)) {
	for _, i := range c.Instances {
		for _, a := range i.Addresses {
			f(i.Config, a.Prefix.Addr())
		}
	}
}
