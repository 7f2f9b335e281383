package director

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"usher/director/ipvs"
)

// Quorum tells whether the pool has its quorum, and why; decided is false before the first
// probes have said whether it gets there.
func (p *Pool) Quorum() (up bool, reason string, decided bool) {
	return p.up, p.reason, p.up || p.decided()
}

// Serves tells whether clients are answered, by the pool or by a sorry server, and whether
// each server with checks has had its first verdict.
func (p *Pool) Serves() (probed, serves bool) {
	probed = !slices.ContainsFunc(p.members, func(m *member) bool { return !m.sorry && m.state == ServerInitial && !m.counts() })
	return probed, p.up || p.sorry != nil
}

// Warning is what should not be so of the pool; ok is false where there is nothing.
func (p *Pool) Warning() (w Warning, ok bool) {
	return Warning{Kind: "min_healthy", VirtualServer: p.config.Name, Text: p.panic.Reason, Since: p.panic.Time}, p.panicked
}

// Status gives the pool as it stands; table is what the kernel has of its services, as far
// as is believed, and counters what it counts of them.
func (p *Pool) Status(table ipvs.Table, counters ipvs.CounterTable) VirtualServerStatus {
	c := p.config
	s := VirtualServerStatus{
		Name: c.Name, Address: c.Address, Scheduler: c.Service.Scheduler, Forward: c.Forward,
		Up: p.up, Quorum: c.Quorum, Sorry: p.sorry != nil, Reason: p.reason, Since: p.since,
		Real: make([]RealServerStatus, 0, len(p.members)),
	}
	if len(c.Keys) > 0 && c.Keys[0].Mark == 0 {
		s.Protocol = c.Keys[0].Protocol.String()
	}
	for _, key := range c.Keys {
		s.Counters = s.Counters.Plus(counters[key].Service)
	}
	for _, m := range p.members {
		r := RealServerStatus{
			Address: m.config.Address, Forward: m.config.Forward, Weight: m.config.Weight,
			State: m.state, Reason: m.reason, Since: m.since, Sorry: m.sorry,
		}
		if m.override.Mode != OverrideNone {
			o := m.override
			r.Override = &o
			if o.Mode == OverrideWeight { // the other kinds are the state's own reason
				r.Reason = strings.TrimSuffix(o.Text()+"; "+m.reason, "; ")
			}
		}
		for _, key := range c.Keys {
			dest := destinationKey(key, m.config)
			r.EffectiveWeight = max(r.EffectiveWeight, int(table[key].Destinations[dest].Weight))
			r.Counters = r.Counters.Plus(counters[key].Destinations[dest])
		}
		s.Real = append(s.Real, r)
	}
	s.Fingerprint = p.fingerprint(s.Real)
	s.Real = append(s.Real, p.removedStatus(table, counters)...)
	s.count()
	return s
}

// fingerprint is that of the pool with its servers as they stand.
func (p *Pool) fingerprint(servers []RealServerStatus) uint64 {
	b := fmt.Appendf(nil, "%s %d", p.config.Service.Scheduler, p.config.Service.Flags)
	for _, r := range servers {
		b = fmt.Appendf(b, " %s %d", r.Address, r.EffectiveWeight)
	}
	sum := sha256.Sum256(b)
	var n uint64
	for _, c := range sum[:6] {
		n = n<<8 | uint64(c)
	}
	return n
}

// count adds up the connections of the servers, which the kernel does not count by service.
func (s *VirtualServerStatus) count() {
	for _, r := range s.Real {
		s.Counters.Active += r.Counters.Active
		s.Counters.Inactive += r.Counters.Inactive
		s.Counters.Persistent += r.Counters.Persistent
	}
}
