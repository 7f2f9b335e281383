package director

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// terms are the ends of overrides that have one, by virtual server and real server: the
// uptime of this Director, which no step of the clock changes, at which each is over.
// Across a restart there is only the clock.
type terms map[string]map[string]time.Duration

// clockStep is by how much the clock has to be off from the uptime for it to have been
// set: more than the two drift apart by, less than matters to a person.
const clockStep = 2 * time.Second

// left is how long an override is still in force by the clock, negative where it is over.
// A clock that was set back makes it no longer than was asked for.
func (o Override) left(now time.Time) time.Duration {
	until := o.Until.Round(0) // the clock's reading alone
	return min(until.Sub(now.Round(0)), until.Sub(o.Since.Round(0)))
}

// set notes when an override ends, or that it does not.
func (t terms) set(vs, rs string, o Override, now time.Time, uptime time.Duration) {
	delete(t[vs], rs)
	if o.Until.IsZero() {
		return
	}
	if t[vs] == nil {
		t[vs] = map[string]time.Duration{}
	}
	t[vs][rs] = uptime + o.left(now)
}

// next is the uptime at which the first one ends; ok is false where none does.
func (t terms) next() (at time.Duration, ok bool) {
	for _, of := range t {
		for _, end := range of {
			if !ok || end < at {
				at, ok = end, true
			}
		}
	}
	return at, ok
}

// moved gives an override with its times by a clock that was set since they were
// written, and whether it was. end is the uptime at which the override is over.
func (o Override) moved(end time.Duration, now time.Time, uptime time.Duration) (Override, bool) {
	step := now.Add(end - uptime).Round(0).Sub(o.Until.Round(0))
	if step.Abs() < clockStep {
		return o, false
	}
	o.Until, o.Since = o.Until.Round(0).Add(step), o.Since.Round(0).Add(step)
	return o, true
}

// uptime is how long this Director has been there.
func (d *Director) uptime(now time.Time) time.Duration { return now.Sub(d.born) }

// resumeTerms takes up the overrides that the state folder has. Those that have ended
// meanwhile are lifted; with tell they are told and no longer remembered. Caller holds mu.
func (d *Director) resumeTerms(now time.Time, tell bool) {
	d.terms = terms{}
	for vs, of := range d.memory.Overrides {
		for rs, o := range of {
			d.terms.set(vs, rs, o, now, d.uptime(now))
		}
	}
	d.liftEnded(now, tell)
}

// liftEnded lifts the overrides that are over. Caller holds mu.
func (d *Director) liftEnded(now time.Time, tell bool) {
	uptime, changed := d.uptime(now), false
	for _, vs := range slices.Sorted(maps.Keys(d.terms)) {
		for _, rs := range slices.Sorted(maps.Keys(d.terms[vs])) {
			address, err := netip.ParseAddrPort(rs)
			if err != nil {
				continue // nobody has written that
			}
			o, end := d.memory.override(vs, address), d.terms[vs][rs]
			p := d.pools[vs]
			if uptime < end {
				if o, set := o.moved(end, now, uptime); set {
					d.memory.setOverride(vs, address, o)
					if p != nil && p.find(address) != nil {
						p.find(address).override = o
						d.dirty[vs] = true
					}
					changed = true
				}
				continue
			}
			d.memory.setOverride(vs, address, Override{})
			delete(d.terms[vs], rs)
			changed = true
			if p != nil && p.SetOverride(address, Override{}, now) {
				d.dirty[vs] = true
			}
			d.queued = append(d.queued, Event{
				Time: now, Kind: EventOverride, VirtualServer: vs, RealServer: address,
				From: string(o.Mode), Reason: "its time is over: " + o.Text(),
			})
		}
	}
	if changed && tell {
		d.persist()
		d.wake() // for the events
	}
}
