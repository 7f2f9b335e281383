package director

import (
	"fmt"
	"net/netip"
	"time"

	"usher/director/ipvs"
)

// Override is what an operator said of one server; it holds until lifted, or until it ends.
type Override struct {
	Mode   OverrideMode `json:"mode"`
	Weight int          `json:"weight,omitempty"` // with OverrideWeight
	Since  time.Time    `json:"since"`
	By     string       `json:"by,omitempty"` // who said it, for people
	// Until is when it ends by itself, by the clock; zero where it does not. It is in
	// force for as long as it is after Since, at most.
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason,omitempty"` // why, in the operator's words
}

// OverrideMode is the kind of an override.
type OverrideMode string

// The overrides.
const (
	OverrideNone    OverrideMode = ""        // as configured; `usher enable`
	OverrideDrain   OverrideMode = "drain"   // weight 0, out when its connections are gone
	OverrideDisable OverrideMode = "disable" // out at once
	OverrideWeight  OverrideMode = "weight"  // another weight than configured
)

// Effect is what an override does, for whoever asked for it.
type Effect struct {
	// Lifted is the override that was in force before.
	Lifted Override
	// Before and After are the server's weight for new connections, 0..65535; 0 where it
	// gets none.
	Before, After int
	State         ServerState // after it
	Reason        string      // of State
	// Connections are those that the server has, a second ago at most.
	Connections uint32
	// Deadline is when a drain ends at the latest; zero where nothing drains.
	Deadline time.Time
	// Unsaved is why the state folder does not hold the override: it is in force all the
	// same, and is lost if usher stops before the folder can be written.
	Unsaved error
}

// Override sets what an operator says of a server, OverrideNone lifts it. It is
// remembered before it takes effect, if the state folder can be written.
func (d *Director) Override(vs string, rs netip.AddrPort, o Override) (Effect, error) {
	if o.Mode == OverrideWeight && (o.Weight < 0 || o.Weight > 65535) {
		return Effect{}, fmt.Errorf("director: weight %d of %s: it must be 0 to 65535", o.Weight, rs)
	}
	if o.Mode == OverrideNone {
		o.Until = time.Time{}
	}
	counters := d.count()
	now := time.Now()
	if o.Since.IsZero() {
		o.Since = now
	}
	if !o.Until.IsZero() && !o.Until.After(o.Since) {
		return Effect{}, fmt.Errorf("director: the override of %s ends at %s, before it begins", rs, o.Until.UTC().Format(time.RFC3339))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.pools[vs]
	if p == nil {
		return Effect{}, fmt.Errorf("director: no virtual server %q", vs)
	}
	if p.find(rs) == nil {
		return Effect{}, fmt.Errorf("director: virtual server %q has no real server %s", vs, rs)
	}
	effect := p.effect(rs, o, counters, now)
	effect.Lifted = d.memory.override(vs, rs)
	d.memory.setOverride(vs, rs, o)
	d.terms.set(vs, rs.String(), o, now, d.uptime(now))
	d.persist()
	effect.Unsaved = d.unsaved
	p.SetOverride(rs, o, now)
	d.dirty[vs] = true
	d.queued = append(d.queued, Event{
		Time: now, Kind: EventOverride, VirtualServer: vs, RealServer: rs,
		From: string(effect.Lifted.Mode), To: string(o.Mode), Reason: o.Text(),
	})
	d.wake()
	return effect, nil
}

// effect foretells what an override does. It changes nothing.
func (p *Pool) effect(rs netip.AddrPort, o Override, counters ipvs.CounterTable, now time.Time) Effect {
	var e Effect
	weight := func(p *Pool) (int, *member) {
		p.Evaluate(now)
		m := p.find(rs)
		w, in := p.weight(m, now)
		if !in {
			w = 0
		}
		return int(w), m
	}
	before, after := p.Clone(), p.Clone()
	e.Before, _ = weight(before)
	after.SetOverride(rs, o, now)
	var m *member
	e.After, m = weight(after)
	e.State, e.Reason = m.state, m.reason
	if m.drain.on && !m.drain.gone {
		e.Deadline = m.drain.deadline
	}
	for _, key := range p.config.Keys {
		c := counters[key].Destinations[destinationKey(key, m.config)]
		e.Connections += c.Active
		if !established(key.Protocol) {
			e.Connections += c.Inactive
		}
	}
	return e
}

// Text says what was said, by whom, until when and why: "drained by root until
// 2026-01-02T15:04:05Z: kernel upgrade".
func (o Override) Text() string {
	what := map[OverrideMode]string{OverrideNone: "lifted", OverrideDrain: "drained", OverrideDisable: "disabled",
		OverrideWeight: fmt.Sprintf("weight %d, set", o.Weight)}[o.Mode]
	by := o.By
	if by == "" {
		by = "an operator"
	}
	text := what + " by " + by
	if !o.Until.IsZero() {
		text += " until " + o.Until.UTC().Format(time.RFC3339)
	}
	if o.Reason != "" {
		text += ": " + o.Reason
	}
	return text
}
