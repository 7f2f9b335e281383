package sim

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"usher/director/ipvs"
	"usher/vrrp"
	"usher/vrrp/engine"
)

var compareKeys = cmpopts.EquateComparable(netip.Addr{}, ipvs.ServiceKey{}, ipvs.DestinationKey{})

// Run lives one world through, inside a synctest bubble.
func Run(t *testing.T, seed uint64, plan Plan) {
	w := newWorld(t, seed, plan)
	if plan.Stubborn {
		w.stubborn()
	}
	for _, m := range w.machines {
		w.accident("director %d: start", m.id)
		m.start()
	}
	mon := newMonitor(w)
	sample := plan.Interval / 20
	next := w.pause()
	for time.Since(w.start) < plan.For && !t.Failed() {
		time.Sleep(sample)
		mon.look()
		mon.calm()
		w.mend()
		if time.Since(w.start) < next {
			continue
		}
		if w.sinceAnything() > mon.bound.Rest {
			mon.rest()
		}
		w.happen(plan.Accidents[w.rng.IntN(len(plan.Accidents))])
		next = w.pause()
	}
	w.end(mon, sample)
}

// end lets everything mend, checks the rest, and stops all that runs.
func (w *world) end(mon *monitor, sample time.Duration) {
	for len(w.ends) > 0 {
		time.Sleep(sample)
		mon.look()
		mon.calm()
		w.mend()
	}
	for w.sinceAnything() <= mon.bound.Rest {
		time.Sleep(sample)
		mon.look()
	}
	if !w.t.Failed() {
		mon.rest()
	}
	for _, m := range w.machines {
		if m.process != nil {
			m.process.stop(false)
			w.checkGone(m)
		}
	}
}

// pause gives the time of the next accident: mostly one after the other has
// healed, now and then several at once.
func (w *world) pause() time.Duration {
	at := time.Since(w.start)
	if w.rng.IntN(3) == 0 {
		return at + time.Duration(w.rng.Int64N(int64(5*w.plan.Interval)))
	}
	return at + time.Duration(w.rng.ExpFloat64()*float64(w.plan.Every))
}

// checkGone checks that an orderly stop has left nothing of usher's.
func (w *world) checkGone(m *machine) {
	for _, c := range w.desired(m.id).Instances {
		if m.found().count(c) > 0 {
			w.fail("director %d stopped and left an address of %s", m.id, c.Name)
		}
	}
	have, err := m.ipvs.Read()
	if err != nil {
		w.fail("director %d: read IPVS: %v", m.id, err)
	}
	if _, there := have[w.pools[0].Keys[0]]; there {
		w.fail("director %d stopped and left its service in IPVS", m.id)
	}
	if len(have) != 1 {
		w.fail("director %d stopped and IPVS holds %d services, want the foreign one alone", m.id, len(have))
	}
}

// track lets a track of a machine's first instance speak for a while.
func (w *world) track(m *machine, kind Accident, d time.Duration) {
	if m.isFaulted() || m.isDegraded() || m.process == nil {
		return
	}
	bad := vrrp.Adjustment{Weight: -60, Reason: "script web: exit status 1"}
	if kind == Breakdown {
		bad = vrrp.Adjustment{Fault: true, Reason: "script web: exit status 1"}
	}
	w.accident("director %d: %s", m.id, kind)
	m.setTrack(bad)
	w.after(d, func() {
		w.accident("director %d: end of %s", m.id, kind)
		m.setTrack(vrrp.Adjustment{})
	})
}

// setTrack says it to the running process, and to later ones at their start.
func (m *machine) setTrack(a vrrp.Adjustment) {
	m.mu.Lock()
	m.says = a
	m.mu.Unlock()
	if p := m.process; p != nil {
		p.do(func(now time.Time, e *engine.Engine) {
			e.Track(now, m.world.desired(m.id).Instances[0].Name, trackKey, a)
		})
	}
}

func (m *machine) isFaulted() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.says.Fault
}

func (m *machine) isDegraded() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.says.Weight != 0
}

func (m *machine) isStopped() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stopped
}

func (m *machine) setStopped(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped, m.resumed = on, time.Now()
}

func (m *machine) setBack(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.back = on
}

func (w *world) setHealthy(rs netip.AddrPort, on bool) {
	w.say("real server %s healthy: %t", rs, on)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.healthy[rs] = on
}

// heardBy says whether what one machine sends reaches another on any network. A
// member of a sync group that hears an active router holds its whole group back.
func (w *world) heardBy(from, by *machine) bool {
	for name, l := range w.lans {
		if l.hears(from.id, by.id) && from.up(name) && by.up(name) {
			return true
		}
	}
	return false
}

// sinceAnything is how long nothing at all has happened or is still under way.
func (w *world) sinceAnything() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.lastAny)
}
