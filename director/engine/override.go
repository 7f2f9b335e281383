package engine

import (
	"fmt"
	"net/netip"
	"time"

	"usher/director"
)

// Override sets what an operator says of a server, OverrideNone lifts it. It is
// remembered before it takes effect, if the state folder can be written.
func (d *Engine) Override(vs string, rs netip.AddrPort, o director.Override) (director.Effect, error) {
	if o.Mode == director.OverrideNone {
		o.Until = time.Time{}
	}
	counters := d.count()
	now := time.Now()
	if o.Since.IsZero() {
		o.Since = now
	}
	if err := o.Validate(rs); err != nil {
		return director.Effect{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.pools[vs]
	if p == nil {
		return director.Effect{}, fmt.Errorf("director: no virtual server %q", vs)
	}
	if !p.Has(rs) {
		return director.Effect{}, fmt.Errorf("director: virtual server %q has no real server %s", vs, rs)
	}
	effect := p.Effect(rs, o, counters, now)
	effect.Lifted = d.memory.override(vs, rs)
	d.memory.setOverride(vs, rs, o)
	d.terms.set(vs, rs.String(), o, now, d.uptime(now))
	d.persist()
	effect.Unsaved = d.unsaved
	p.SetOverride(rs, o, now)
	d.dirty[vs] = true
	d.queued = append(d.queued, director.Event{
		Time: now, Kind: director.EventOverride, VirtualServer: vs, RealServer: rs,
		From: string(effect.Lifted.Mode), To: string(o.Mode), Reason: o.Text(),
	})
	d.wake()
	return effect, nil
}

// Empties tells what would become of a virtual server's clients if an override of rs left
// it without any real server that takes new connections, though it has some now; "" where
// it does not do that. It changes nothing.
func (d *Engine) Empties(vs string, rs netip.AddrPort, o director.Override) (effect string) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.pools[vs]; p != nil {
		return p.Empties(rs, o, now)
	}
	return ""
}
