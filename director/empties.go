package director

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"usher/healthcheck"
)

// Empties tells what would become of a virtual server's clients if an override of rs left
// it without any real server that takes new connections, though it has some now; "" where
// it does not do that. It changes nothing.
func (d *Director) Empties(vs string, rs netip.AddrPort, o Override) (effect string) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.pools[vs]
	if p == nil || p.find(rs) == nil || p.find(rs).sorry {
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
