package director

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"usher/director/ipvs"
	"usher/healthcheck"
)

// Heed has the pool follow what operators said of servers that are new to it. said is by
// address, as text.
func (p *Pool) Heed(said map[string]Override, now time.Time) {
	if len(said) == 0 {
		return
	}
	for _, m := range p.members {
		if o := said[m.config.Address.String()]; m.override.Mode == OverrideNone && o.Mode != OverrideNone {
			p.SetOverride(m.config.Address, o, now)
		}
	}
}

// MoveOverride gives a server's override other times; a drain goes on as it is. It tells
// whether the pool has the server.
func (p *Pool) MoveOverride(rs netip.AddrPort, o Override) bool {
	m := p.find(rs)
	if m != nil {
		m.override = o
	}
	return m != nil
}

// Effect foretells what an override of a server that the pool has does. counters are those
// of the pool's services. It changes nothing.
func (p *Pool) Effect(rs netip.AddrPort, o Override, counters ipvs.CounterTable, now time.Time) Effect {
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

// Empties tells what would become of the clients if an override of rs left the pool
// without any real server that takes new connections, though it has some now; "" where it
// does not do that. It changes nothing.
func (p *Pool) Empties(rs netip.AddrPort, o Override, now time.Time) (effect string) {
	if m := p.find(rs); m == nil || m.sorry {
		return ""
	}
	before, after := p.Clone(), p.Clone()
	before.Evaluate(now)
	after.SetOverride(rs, o, now)
	after.Evaluate(now)
	if !before.serves(now) || after.serves(now) {
		return ""
	}
	effect = "new connections are refused"
	if after.sorry != nil {
		effect = fmt.Sprintf("the sorry server %s gets all new connections", after.sorry.config.Address)
	}
	if o.Mode == OverrideDisable {
		effect += ", and those that there are end now"
	}
	var down []string
	for _, m := range after.members {
		if !m.sorry && m.config.Address != rs && m.verdict.State == healthcheck.Down && m.decided {
			down = append(down, m.config.Address.String())
		}
	}
	if len(down) > 0 {
		effect += "; down already: " + strings.Join(down[:min(len(down), 5)], ", ")
	}
	return effect
}

// serves tells whether a real server takes new connections.
func (p *Pool) serves(now time.Time) bool {
	return slices.ContainsFunc(p.members, func(m *member) bool {
		weight, in := p.weight(m, now)
		return !m.sorry && in && weight > 0
	})
}
