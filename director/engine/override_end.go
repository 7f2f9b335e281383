package engine

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"usher/director"
)

// terms are the ends of overrides that have one, by virtual server and real server: the
// uptime of this Engine, which no step of the clock changes, at which each is over.
// Across a restart there is only the clock.
type terms map[string]map[string]time.Duration

// set notes when an override ends, or that it does not.
func (t terms) set(vs, rs string, o director.Override, now time.Time, uptime time.Duration) {
	delete(t[vs], rs)
	if o.Until.IsZero() {
		return
	}
	if t[vs] == nil {
		t[vs] = map[string]time.Duration{}
	}
	t[vs][rs] = uptime + o.Left(now)
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

// uptime is how long this Engine has been there.
func (d *Engine) uptime(now time.Time) time.Duration { return now.Sub(d.born) }

// resumeTerms takes up the overrides that the state folder has. Those that have ended
// meanwhile are lifted; with tell they are told and no longer remembered. Caller holds mu.
func (d *Engine) resumeTerms(now time.Time, tell bool) {
	d.terms = terms{}
	for vs, of := range d.memory.Overrides {
		for rs, o := range of {
			d.terms.set(vs, rs, o, now, d.uptime(now))
		}
	}
	d.liftEnded(now, tell)
}

// liftEnded lifts the overrides that are over. Caller holds mu.
func (d *Engine) liftEnded(now time.Time, tell bool) {
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
				if o, set := o.Moved(end, now, uptime); set {
					d.memory.setOverride(vs, address, o)
					if p != nil && p.MoveOverride(address, o) {
						d.dirty[vs] = true
					}
					changed = true
				}
				continue
			}
			d.memory.setOverride(vs, address, director.Override{})
			delete(d.terms[vs], rs)
			changed = true
			if p != nil && p.SetOverride(address, director.Override{}, now) {
				d.dirty[vs] = true
			}
			d.queued = append(d.queued, director.Event{
				Time: now, Kind: director.EventOverride, VirtualServer: vs, RealServer: address,
				From: string(o.Mode), Reason: "its time is over: " + o.Text(),
			})
		}
	}
	if changed && tell {
		d.persist()
		d.wake() // for the events
	}
}
