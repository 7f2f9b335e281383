package sim

import (
	"maps"
	"slices"
	"time"

	"usher/director/ipvs"
	"usher/vrrp/engine"
)

// Accident is a kind of thing that happens to a world. Each mends itself later.
type Accident string

// The accidents.
const (
	Kill      Accident = "kill"      // SIGKILL of everything, started again later
	Restart   Accident = "restart"   // an orderly stop, started again later
	Upgrade   Accident = "upgrade"   // an orderly stop that keeps IPVS, started again at once
	Unplug    Accident = "unplug"    // a cable out, which the machine notices
	Isolate   Accident = "isolate"   // cut off behind a switch, which it does not
	OneWay    Accident = "one-way"   // heard no more by another, but hearing
	Stall     Accident = "stall"     // SIGSTOP for seconds, then SIGCONT
	Server    Accident = "server"    // a real server dies
	BackCut   Accident = "back cut"  // a director reaches no real server
	Flush     Accident = "flush"     // somebody clears IPVS of usher's service
	Snatch    Accident = "snatch"    // somebody removes an address of the active one
	Handover  Accident = "handover"  // `usher failover`
	Degrade   Accident = "degrade"   // a track takes priority away
	Breakdown Accident = "breakdown" // a track faults an instance
	Refuse    Accident = "refuse"    // the kernel takes no address
)

// happen does one accident to whoever the seed names, and plans its end.
func (w *world) happen(kind Accident) {
	m := w.machines[w.rng.IntN(len(w.machines))]
	name := w.plan.interfaces()[w.rng.IntN(len(w.plan.interfaces()))]
	short := time.Duration(w.rng.Int64N(int64(90 * w.plan.Interval)))
	switch kind {
	case Kill, Restart, Upgrade:
		w.renew(m, kind, short)
	case Unplug:
		w.accident("director %d: cable of %s out", m.id, name)
		m.setCarrier(name, false)
		w.after(short, func() {
			w.accident("director %d: cable of %s in", m.id, name)
			m.setCarrier(name, true)
		})
	case Isolate:
		w.accident("director %d: isolated on %s", m.id, name)
		w.isolate(name, m.id, true)
		w.after(short, func() {
			w.accident("director %d: back on %s", m.id, name)
			w.isolate(name, m.id, false)
		})
	case OneWay:
		other := (m.id + 1 + w.rng.IntN(len(w.machines)-1)) % len(w.machines)
		w.accident("director %d is not heard by %d on %s", m.id, other, name)
		w.lans[name].cut(m.id, other, true)
		w.after(short, func() {
			w.accident("director %d is heard by %d on %s", m.id, other, name)
			w.lans[name].cut(m.id, other, false)
		})
	case Stall:
		w.stall(m, short/6)
	case Server:
		w.breakServer(short)
	case BackCut:
		w.say("director %d reaches no real server", m.id)
		m.setBack(false)
		w.after(short, func() {
			w.say("director %d reaches the real servers", m.id)
			m.setBack(true)
		})
	case Flush:
		w.say("director %d: usher's service deleted by somebody", m.id)
		m.ipvs.Apply([]ipvs.Op{{Kind: ipvs.DelService, Key: w.pools[0].Keys[0]}})
	case Snatch:
		w.say("director %d: addresses deleted by somebody", m.id)
		for _, c := range w.desired(m.id).Instances {
			m.snatch(c)
		}
	case Handover:
		w.accident("director %d: handover", m.id)
		w.handedOver = true
		m.tell(func(now time.Time, e *engine.Engine) {
			_ = e.Failover(now, w.desired(m.id).Instances[0].Name) // refused where it is not active, as it should be
		})
	case Degrade, Breakdown:
		w.track(m, kind, short)
	case Refuse:
		w.refuse(m, short)
	}
}

// after plans the end of an accident. Ends are done one after the other, by run.
func (w *world) after(d time.Duration, f func()) {
	w.ends[time.Since(w.start)+d+time.Duration(len(w.ends))] = f
}

// mend does what has come due and gives the time of what comes next.
func (w *world) mend() (next time.Duration, ok bool) {
	for _, at := range slices.Sorted(maps.Keys(w.ends)) {
		if at > time.Since(w.start) {
			return at, true
		}
		f := w.ends[at]
		delete(w.ends, at)
		f()
	}
	return 0, false
}

// renew ends a machine's process, if one runs, and starts another.
func (w *world) renew(m *machine, kind Accident, later time.Duration) {
	if m.process == nil || m.isStopped() {
		return
	}
	w.accident("director %d: %s", m.id, kind)
	switch kind {
	case Kill:
		m.process.kill()
	case Restart:
		m.process.stop(false)
		w.checkGone(m)
	case Upgrade:
		m.process.stop(true)
		later = time.Millisecond
	}
	w.after(later, func() {
		w.accident("director %d: start", m.id)
		m.start()
	})
}

func (w *world) stall(m *machine, d time.Duration) {
	if m.process == nil || m.isStopped() {
		return
	}
	w.pauseOf("director %d: SIGSTOP", m.id)
	m.setStopped(true)
	p := m.process
	p.gate.stop()
	p.halted <- struct{}{}
	w.after(d, func() {
		w.pauseOf("director %d: SIGCONT", m.id)
		m.setStopped(false)
		p.gate.resume()
	})
}

func (w *world) breakServer(d time.Duration) {
	rs := w.pools[0].Real[w.rng.IntN(len(w.pools[0].Real))].Address
	w.setHealthy(rs, false)
	w.after(d, func() { w.setHealthy(rs, true) })
}

// tell gives a command to a machine's process, if one runs that can take it.
func (m *machine) tell(f func(time.Time, *engine.Engine)) {
	if p := m.process; p != nil && !m.isStopped() {
		p.do(f)
	}
}
