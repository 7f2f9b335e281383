package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"usher/vrrp"
)

// TestReload_GroupOfSplitMembers: a group made of instances that are active on different
// routers is all on one within the takeover time, and stays there.
func TestReload_GroupOfSplitMembers(t *testing.T) {
	old := instanceConfig("old", 52, "192.0.2.11/24")
	third := instanceConfig("third", 53, "192.0.2.12/24")
	for _, c := range []struct {
		name    string
		members []vrrp.Config
		// Priorities of each member on each router; each member is active on the router of its number.
		priority [][]uint8
		first    int // who reloads first
		want     int // who has all in the end
	}{
		{"one is better on both", []vrrp.Config{web(), old}, [][]uint8{{150, 100}, {150, 100}}, 0, 0},
		{"one is better on both, the other first", []vrrp.Config{web(), old}, [][]uint8{{150, 100}, {150, 100}}, 1, 0},
		{"equal", []vrrp.Config{web(), old}, [][]uint8{{100, 100}, {100, 100}}, 0, 1},
		{"each is better on one", []vrrp.Config{web(), old}, [][]uint8{{150, 100}, {100, 150}}, 0, 1},
		{"each is better on the other's", []vrrp.Config{web(), old}, [][]uint8{{100, 150}, {150, 100}}, 0, 1},
		{"three on three", []vrrp.Config{web(), old, third}, [][]uint8{{150, 100, 50}, {150, 100, 50}, {150, 100, 50}}, 0, 0},
		{"three on three, crossed", []vrrp.Config{web(), old, third}, [][]uint8{{50, 150, 100}, {150, 100, 50}, {50, 100, 200}}, 2, 2},
	} {
		for _, preempt := range []bool{false, true} {
			if preempt && strings.Contains(c.name, "crossed") {
				continue // elections alone would move them before the group is made
			}
			for _, pause := range []time.Duration{0, 100 * time.Millisecond, 30 * time.Second} {
				t.Run(fmt.Sprint(c.name, " ", preempt, " ", pause), func(t *testing.T) {
					splitGroup(t, c.members, c.priority, preempt, pause, c.first, c.want)
				})
			}
		}
	}
}

func splitGroup(t *testing.T, members []vrrp.Config, priority [][]uint8, preempt bool, pause time.Duration, first, want int) {
	n := newNetwork(t, len(members))
	config := func(router int) (all []vrrp.Config) {
		for m, c := range members {
			c.Priority = priority[m][router]
			// Those that are better elsewhere preempt only once they are told to.
			c.Preempt = preempt && priority[m][router] <= priority[m][m]
			all = append(all, c)
		}
		return all
	}
	for r := range n.routers { // each member's own router comes up first
		n.apply(r, desired(config(r)[r]))
	}
	n.run(5 * time.Second)
	for r := range n.routers {
		all := config(r)
		for m := range all {
			all[m].Preempt = false
		}
		n.apply(r, desired(all...))
		n.run(time.Second)
		n.apply(r, desired(config(r)...))
	}
	n.run(10 * time.Second)
	for m, c := range members {
		states := make([]vrrp.State, len(members))
		for r := range states {
			states[r] = vrrp.Backup
		}
		states[m] = vrrp.Active
		n.state(c.Name, states...)
	}
	n.measure()
	n.apply(first, grouped(config(first)...))
	n.run(pause)
	for r := range n.routers {
		if r != first {
			n.apply(r, grouped(config(r)...))
		}
	}
	n.run(5 * time.Second)
	states := make([]vrrp.State, len(members))
	for r := range states {
		states[r] = vrrp.Backup
	}
	states[want] = vrrp.Active
	for _, c := range members {
		n.state(c.Name, states...)
	}
	for name, d := range n.several {
		if d > 2*flight {
			t.Errorf("%s was on several routers for %v\n%s", name, d, n.story())
		}
	}
	for name, d := range n.none {
		if d > 2*flight {
			t.Errorf("%s was on no router for %v\n%s", name, d, n.story())
		}
	}
	n.measure()
	n.run(10 * time.Minute)
	n.undisturbed()
}

// TestReload_GroupGrows: an instance that is added to an active group is no change of
// the group, whose other addresses stay; nor is its removal.
func TestReload_GroupGrows(t *testing.T) {
	b := newBench(t)
	old := instanceConfig("old", 52, "192.0.2.11/24")
	b.e.Apply(b.now, grouped(web()))
	b.run(5 * time.Second)
	b.wants("edge: active, was backup")
	b.e.Apply(b.now, grouped(web(), old))
	b.e.Apply(b.now, grouped(web(), old)) // once more before it is active
	b.run(10 * time.Second)
	b.is("old", vrrp.Active)
	b.never("edge:")
	b.e.Apply(b.now, grouped(web()))
	b.run(20 * time.Second)
	b.never("edge:")

	// But what then befalls the new member befalls the group.
	b.e.Apply(b.now, grouped(web(), old))
	b.run(30 * time.Second)
	b.said = nil
	b.hear("192.0.2.7", advertOf(old, false, 150))
	b.wants("edge: backup, was active")
}

// TestReload_GroupMade: a group that is made of instances that run begins in their state.
func TestReload_GroupMade(t *testing.T) {
	b := newBench(t)
	old := instanceConfig("old", 52, "192.0.2.11/24")
	b.e.Apply(b.now, desired(web(), old))
	b.run(5 * time.Second)
	b.said = nil
	b.e.Apply(b.now, grouped(web(), old))
	b.wants("edge: active, was initialize")
	b.is("web", vrrp.Active)
}
