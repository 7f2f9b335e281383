package director

import (
	"net/netip"
	"time"
)

// SlowStarts gives the servers that come back slowly, and since when; nil for none.
func (p *Pool) SlowStarts() map[netip.AddrPort]time.Time {
	var since map[netip.AddrPort]time.Time
	for _, m := range p.members {
		if m.ramp.IsZero() {
			continue
		}
		if since == nil {
			since = map[netip.AddrPort]time.Time{}
		}
		since[m.config.Address] = m.ramp
	}
	return since
}

// Resume has servers that another usher was bringing back come back from where they
// are, if they are still in the kernel.
func (p *Pool) Resume(since map[netip.AddrPort]time.Time, now time.Time) {
	for address, at := range since {
		if m := p.find(address); m != nil && m.adopted && m.found > 0 && !at.After(now) {
			m.ramp = at
		}
	}
}
