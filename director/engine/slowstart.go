package engine

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
func (d *Engine) rememberSlowStarts() {
	now := slowStarts{}
	for name := range d.loop.timed {
		if p := d.pools[name]; p != nil {
			if since := p.SlowStarts(); since != nil {
				now[name] = since
			}
		}
	}
	if !now.equal(d.memory.Ramps) {
		d.memory.Ramps = now
		d.persist()
	}
}
