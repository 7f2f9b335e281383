package sim

import (
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/vrrp"
)

// monitor watches the invariants: how long each bad state has lasted.
type monitor struct {
	world     *world
	bound     Bound
	instances []vrrp.Config // alike on all machines, but for the priority
	since     map[wrong]time.Time
	done      map[wrong]bool // already failed on
	rested    bool           // the rest that lasts has been checked
	any, all  [][]bool       // by machine and instance: has one of its addresses, all of them
}

// wrong is one bad state of one or two directors.
type wrong struct {
	what     string
	one, two int
	instance string
}

func newMonitor(w *world) *monitor {
	mon := &monitor{
		world: w, bound: w.plan.bound(), instances: w.desired(0).Instances,
		since: map[wrong]time.Time{}, done: map[wrong]bool{},
	}
	for range w.machines {
		mon.any = append(mon.any, make([]bool, len(mon.instances)))
		mon.all = append(mon.all, make([]bool, len(mon.instances)))
	}
	return mon
}

// look takes one sample.
func (mon *monitor) look() {
	w := mon.world
	for _, m := range w.machines {
		found := m.found()
		for i, c := range mon.instances {
			n := found.count(c)
			mon.any[m.id][i], mon.all[m.id][i] = n > 0, n == len(c.Addresses)
		}
	}
	for i, c := range mon.instances {
		for a, one := range w.machines {
			for _, two := range w.machines[a+1:] {
				bad := mon.any[one.id][i] && mon.any[two.id][i] && w.connected(one, two)
				mon.hold(bad, mon.bound.Split, wrong{"on two directors that hear each other", one.id, two.id, c.Name})
			}
			mon.hold(mon.orphaned(one, i), mon.bound.None, wrong{"on nobody that it hears, nor on itself", one.id, one.id, c.Name})
			if i > 0 && one.able() {
				mon.hold(mon.any[one.id][0] != mon.any[one.id][i], mon.bound.Group, wrong{"not together with its sync group", one.id, one.id, c.Name})
			}
		}
	}
}

// orphaned says that a machine which could be active is not, and that nobody whom
// it hears is either.
func (mon *monitor) orphaned(m *machine, i int) bool {
	w := mon.world
	if mon.all[m.id][i] || !m.able() || m.isFaulted() || w.sinceAccident() < mon.bound.None {
		return false
	}
	for _, other := range w.machines {
		// An active router that is heard is obeyed, also by one that it does not hear.
		if other != m && mon.any[other.id][i] && w.heardBy(other, m) {
			return false
		}
	}
	return true
}

// hold fails when something has been bad for longer than its bound.
func (mon *monitor) hold(bad bool, bound time.Duration, what wrong) {
	if !bad && len(mon.since) == 0 {
		return
	}
	start, before := mon.since[what]
	switch {
	case !bad:
		delete(mon.since, what)
		delete(mon.done, what)
	case !before:
		mon.since[what] = time.Now()
	case time.Since(start) > bound && !mon.done[what]:
		mon.done[what] = true
		mon.world.fail("%s: %s (directors %d, %d), for %s by now; the bound is %s",
			what.instance, what.what, what.one, what.two, time.Since(start), bound)
	}
}

// calm checks the rest once as soon as one begins. Most accidents mend themselves
// before the next one happens: what they leave behind while they last shows only here.
func (mon *monitor) calm() {
	quiet := mon.world.sinceAnything()
	if quiet > mon.bound.Rest && !mon.rested {
		mon.rest()
	}
	mon.rested = quiet > mon.bound.Rest
}

// rest checks what must be so when nothing has happened for long enough.
func (mon *monitor) rest() {
	w := mon.world
	for _, m := range w.machines {
		if m.process == nil || m.isStopped() {
			continue
		}
		if m.process.lacks.any() && !m.isRefusing() {
			w.fail("at rest director %d says that its kernel takes no address, which it does", m.id)
		}
		have, err := m.ipvs.Read()
		if err != nil {
			w.fail("director %d: read IPVS: %v", m.id, err)
			continue
		}
		if diff := cmp.Diff(w.table(m), have, compareKeys); diff != "" {
			w.fail("director %d: IPVS at rest (-want +have):\n%s", m.id, diff)
		}
	}
	mon.elected()
}

// elected checks that the best of all machines is active, where nothing is in
// the way of an election.
func (mon *monitor) elected() {
	w := mon.world
	if !w.plan.Preempt || w.handedOver {
		return
	}
	var best *machine
	for _, m := range w.machines {
		if !m.able() || m.isFaulted() || m.isDegraded() {
			return
		}
		for _, other := range w.machines {
			if other != m && !w.connected(m, other) {
				return
			}
		}
		if best == nil || w.priority(m.id) > w.priority(best.id) {
			best = m // the first of equals stays, as they have no reason to preempt each other
		}
	}
	for _, c := range w.desired(best.id).Instances {
		if !best.holds(c) {
			w.fail("at rest director %d, which has the highest priority, does not hold %s", best.id, c.Name)
		}
	}
}
