package director

import (
	"time"

	"usher/director/ipvs"
)

// Want adds to t what the pool wants in the kernel at the time given. Evaluate
// comes first.
func (p *Pool) Want(t ipvs.Table, now time.Time) {
	for _, key := range p.config.Keys {
		e := ipvs.Entry{
			Service:      CanonicalService(key, p.config.Service),
			Destinations: make(map[ipvs.DestinationKey]ipvs.Destination, len(p.members)),
		}
		for dest, l := range p.leaving[key] {
			if !l.drain.gone {
				e.Destinations[dest] = l.destination
			}
		}
		for _, m := range p.members {
			if weight, in := p.weight(m, now); in {
				e.Destinations[destinationKey(key, m.config)] = destination(m.config, weight)
			}
		}
		t[key] = e
	}
	for _, m := range p.members {
		// Probes reach their server whatever is thought of it: that is their use.
		if key, ok := p.config.probe(&m.config); ok {
			t[key] = ipvs.Entry{
				Service:      CanonicalService(key, ipvs.Service{Scheduler: "rr"}),
				Destinations: map[ipvs.DestinationKey]ipvs.Destination{destinationKey(p.config.Keys[0], m.config): probeDestination(m.config)},
			}
		}
	}
}

// probeDestination is the only server of a private service: thresholds are for
// clients.
func probeDestination(rs RealServer) ipvs.Destination {
	d := destination(rs, 1)
	d.Upper, d.Lower = 0, 0
	return d
}

// weight gives a server's weight in the kernel, and whether it is in at all.
func (p *Pool) weight(m *member, now time.Time) (weight uint32, in bool) {
	switch m.state {
	case ServerDisabled:
		return 0, false
	case ServerInitial:
		if !m.adopted {
			return 0, p.ordered() && !m.sorry && p.config.onFailure(&m.config) == Quiesce
		}
		if m.override.Mode == OverrideWeight {
			return uint32(m.target()), true
		}
		return m.found, true
	case ServerDown:
		// A sorry server stays only for the connections that it has.
		return 0, p.config.onFailure(&m.config) == Quiesce && (!m.sorry || m.drain.on && !m.drain.gone)
	case ServerDraining:
		return 0, true
	}
	switch {
	case m.sorry && m != p.sorry:
		return 0, m.drain.on && !m.drain.gone
	case m.standby:
		return 0, true // like a server that drains: the connections that it has live on
	case p.sorry != nil && !m.sorry:
		return 0, true // the sorry server has new clients; those that it serves stay
	}
	return p.ramped(m, now), true
}

// ordered tells whether the order in which servers came into the kernel decides who has which
// client, as with mh, which fills its table in that order. Servers of such a pool come in
// together, before their first probes, so that the order is the same on every director,
// whichever server answers first there.
func (p *Pool) ordered() bool { return p.config.Service.Scheduler == "mh" }

// rampSteps is in how many steps a server comes back, minRampStep the shortest.
const (
	rampSteps   = 20
	minRampStep = 250 * time.Millisecond
)

func (p *Pool) rampStep() time.Duration { return max(p.config.SlowStart/rampSteps, minRampStep) }

func (p *Pool) ramped(m *member, now time.Time) uint32 {
	target := m.target()
	if m.ramp.IsZero() {
		return uint32(target)
	}
	step := p.rampStep()
	reached := float64(now.Sub(m.ramp)/step+1) * float64(step) / float64(p.config.SlowStart)
	return uint32(min(target, max(1, int(float64(target)*reached))))
}

// destination gives a server's settings in the kernel's words.
func destination(rs RealServer, weight uint32) ipvs.Destination {
	d := ipvs.Destination{Weight: weight, Upper: rs.Upper, Lower: rs.Lower}
	switch rs.Forward {
	case DR:
		d.Forward = ipvs.DR
	case Tun:
		d.Forward, d.Tunnel = ipvs.Tun, rs.Tunnel
	}
	return d
}

// CanonicalService gives the one form of a service's settings that the kernel
// reads back: without persistence there is no timeout and a full netmask.
func CanonicalService(key ipvs.ServiceKey, s ipvs.Service) ipvs.Service {
	if s.Flags&ipvs.Persistent == 0 {
		s.Persistence, s.Netmask = 0, key.Bits()
	} else if s.Netmask == 0 {
		s.Netmask = key.Bits()
	}
	return s
}

// Draining gives the services whose connections matter now, because something in
// them is being emptied.
func (p *Pool) Draining() []ipvs.ServiceKey {
	all := false
	for _, m := range p.members {
		all = all || m.drain.on && !m.drain.gone
	}
	var keys []ipvs.ServiceKey
	for _, key := range p.config.Keys {
		some := all
		for _, l := range p.leaving[key] {
			some = some || l.drain.on && !l.drain.gone
		}
		if some {
			keys = append(keys, key)
		}
	}
	return keys
}

// Observe takes the connections of the services that Draining named. A
// destination that is not in counters has none.
func (p *Pool) Observe(counters ipvs.CounterTable, now time.Time) {
	for _, m := range p.members {
		if !m.drain.on || m.drain.gone {
			continue
		}
		var all ipvs.Counters
		proto := ipvs.TCP
		for _, key := range p.config.Keys {
			c := counters[key].Destinations[destinationKey(key, m.config)]
			all.Active, all.Inactive, proto = all.Active+c.Active, all.Inactive+c.Inactive, key.Protocol
			all.PacketsIn, all.PacketsOut = all.PacketsIn+c.PacketsIn, all.PacketsOut+c.PacketsOut
		}
		m.drain.observe(proto, all, now)
	}
	for key, dests := range p.leaving {
		for dest, l := range dests {
			if !l.drain.on {
				continue
			}
			c := counters[key].Destinations[dest]
			if l.drain.observe(key.Protocol, c, now) {
				delete(dests, dest)
				continue
			}
			dests[dest] = l
		}
	}
}

// Deadline is when the pool changes by itself: the next step of a slow start. The
// zero time means never.
func (p *Pool) Deadline(now time.Time) time.Time {
	var next time.Time
	for _, m := range p.members {
		if m.ramp.IsZero() {
			continue
		}
		step := p.rampStep()
		if at := m.ramp.Add((now.Sub(m.ramp)/step + 1) * step); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}
