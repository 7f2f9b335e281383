package engine

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"usher/director"
)

// overrides are what operators said of servers, which the memory has, and when it ends.
type overrides struct {
	memory *memory
	terms  terms
	born   time.Time // when the engine was made
}

// terms are the ends of overrides that have one, by virtual server and real server: the
// uptime of the engine, which no step of the clock changes, at which each is over.
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

// uptime is how long the engine has been there.
func (o *overrides) uptime(now time.Time) time.Duration { return now.Sub(o.born) }

// next is the first of at and the times when an override ends.
func (o *overrides) next(at, now time.Time) time.Time {
	if end, ok := o.terms.next(); ok {
		if end := now.Add(end - o.uptime(now)); end.Before(at) {
			return end
		}
	}
	return at
}

// resume takes up those that the memory has.
func (o *overrides) resume(now time.Time) {
	o.terms = terms{}
	for vs, of := range o.memory.Overrides {
		for rs, said := range of {
			o.terms.set(vs, rs, said, now, o.uptime(now))
		}
	}
}

// set takes what an operator says of a server, for the memory to be kept by the caller; it
// gives what was said before.
func (o *overrides) set(vs string, rs netip.AddrPort, said director.Override, now time.Time) (before director.Override, told director.Event) {
	before = o.memory.override(vs, rs)
	o.memory.setOverride(vs, rs, said)
	o.terms.set(vs, rs.String(), said, now, o.uptime(now))
	return before, director.Event{
		Time: now, Kind: director.EventOverride, VirtualServer: vs, RealServer: rs,
		From: string(before.Mode), To: string(said.Mode), Reason: said.Text(),
	}
}

// liftEnded lifts those that are over, and gives an event of each. Where the clock was set,
// the times of the others move with it. With keep the memory is kept if anything changed.
func (o *overrides) liftEnded(p *pools, now time.Time, keep bool) (told []director.Event) {
	uptime, changed := o.uptime(now), false
	for _, vs := range slices.Sorted(maps.Keys(o.terms)) {
		for _, rs := range slices.Sorted(maps.Keys(o.terms[vs])) {
			address, err := netip.ParseAddrPort(rs)
			if err != nil {
				continue // nobody has written that
			}
			said, end := o.memory.override(vs, address), o.terms[vs][rs]
			if uptime < end {
				if moved, set := said.Moved(end, now, uptime); set {
					o.memory.setOverride(vs, address, moved)
					if pool := p.find(vs); pool != nil && pool.Has(address) {
						p.touch(vs).MoveOverride(address, moved)
					}
					changed = true
				}
				continue
			}
			o.memory.setOverride(vs, address, director.Override{})
			delete(o.terms[vs], rs)
			changed = true
			if pool := p.find(vs); pool != nil && pool.Has(address) {
				p.touch(vs).SetOverride(address, director.Override{}, now)
			}
			told = append(told, director.Event{
				Time: now, Kind: director.EventOverride, VirtualServer: vs, RealServer: address,
				From: string(said.Mode), Reason: "its time is over: " + said.Text(),
			})
		}
	}
	if changed && keep {
		o.memory.keep()
	}
	return told
}

// acting gives the servers whose overrides have something to act on, by virtual server,
// sorted.
func (o *overrides) acting(p *pools) map[string][]netip.AddrPort {
	acting := map[string][]netip.AddrPort{}
	for vs, of := range o.memory.Overrides {
		for _, rs := range slices.Sorted(maps.Keys(of)) {
			address, err := netip.ParseAddrPort(rs)
			if pool := p.find(vs); err == nil && pool != nil && pool.Has(address) {
				acting[vs] = append(acting[vs], address)
			}
		}
	}
	return acting
}

// idle tells of overrides that acted before a new configuration, which does not have
// their server. They are kept: it may be back with the next, or this one be taken back.
func (o *overrides) idle(before map[string][]netip.AddrPort, p *pools, now time.Time) (told []director.Event) {
	after := o.acting(p)
	for _, vs := range slices.Sorted(maps.Keys(before)) {
		for _, rs := range before[vs] {
			if slices.Contains(after[vs], rs) {
				continue
			}
			told = append(told, director.Event{
				Time: now, Kind: director.EventOverride, VirtualServer: vs, RealServer: rs, From: string(o.memory.override(vs, rs).Mode),
				Reason: "the pool no longer has the server; what was said of it holds again when it comes back",
			})
		}
	}
	return told
}

// absent gives the servers whose overrides have nothing to act on at present, by virtual
// server, sorted.
func (o *overrides) absent(p *pools) map[string][]director.AbsentServer {
	var absent map[string][]director.AbsentServer
	for vs, of := range o.memory.Overrides {
		pool := p.find(vs)
		if pool == nil {
			continue
		}
		for _, rs := range slices.Sorted(maps.Keys(of)) {
			address, err := netip.ParseAddrPort(rs)
			if err != nil || pool.Has(address) {
				continue
			}
			if absent == nil {
				absent = map[string][]director.AbsentServer{}
			}
			absent[vs] = append(absent[vs], director.AbsentServer{Address: address, Override: of[rs]})
		}
	}
	return absent
}
