package director

import (
	"maps"
	"net/netip"
	"time"
)

// slowStarts are the servers that come back slowly, by virtual server, and since when.
type slowStarts map[string]map[netip.AddrPort]time.Time

func (r slowStarts) equal(o slowStarts) bool {
	return maps.EqualFunc(r, o, func(a, b map[netip.AddrPort]time.Time) bool {
		return maps.EqualFunc(a, b, time.Time.Equal)
	})
}

// rememberSlowStarts has another usher, and a plan made beside this one, know of servers that
// come back slowly. Caller holds mu.
func (d *Director) rememberSlowStarts() {
	now := slowStarts{}
	for name := range d.loop.timed {
		if p := d.pools[name]; p != nil && p.ramping() {
			now[name] = map[netip.AddrPort]time.Time{}
			for _, m := range p.members {
				if !m.ramp.IsZero() {
					now[name][m.config.Address] = m.ramp
				}
			}
		}
	}
	if !now.equal(d.memory.Ramps) {
		d.memory.Ramps = now
		d.persist()
	}
}

func (p *Pool) ramping() bool {
	for _, m := range p.members {
		if !m.ramp.IsZero() {
			return true
		}
	}
	return false
}

// resume has servers that another usher was bringing back come back from where they
// are, if they are still in the kernel.
func (p *Pool) resume(since map[netip.AddrPort]time.Time, now time.Time) {
	for address, at := range since {
		if m := p.find(address); m != nil && m.adopted && m.found > 0 && !at.After(now) {
			m.ramp = at
		}
	}
}
