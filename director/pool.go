package director

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"usher/director/ipvs"
	"usher/healthcheck"
	"usher/vrrp/timespan"
)

// Pool is what health, quorum, overrides, drains and slow start make of one
// virtual server. It is plain data: every method takes the time, none reads a
// clock or the kernel. The zero value is not ready, see NewPool.
type Pool struct {
	config  VirtualServer
	members []*member                  // real servers, then sorry servers, in configured order
	index   map[netip.AddrPort]*member // of members, where they are many
	leaving map[ipvs.ServiceKey]map[ipvs.DestinationKey]leaving

	up       bool // quorum is there
	had      bool // it was, at some time
	sorry    *member
	panic    Event // the last of its kind
	panicked bool  // too few are healthy, the last good set is kept
	reason   string
	since    time.Time
}

// member is one configured server.
type member struct {
	config   RealServer
	sorry    bool
	verdict  healthcheck.Verdict
	decided  bool // a check has decided, or there is none
	override Override

	adopted bool   // it was in the kernel when the pool first saw it
	found   uint32 // with this weight; kept until the first probe decides

	good    bool // was up when the pool was last healthy enough
	kept    bool // down, but kept as part of the last good set
	standby bool // servers of a priority before its own are up
	serving bool // gets new connections
	left    bool // was found out of service since: it comes back slowly
	drain   drain
	ramp    time.Time // since when it has been coming back; zero when at full weight

	state  ServerState
	reason string
	since  time.Time
}

// drain is the state of a server that is being emptied.
type drain struct {
	on       bool
	gone     bool // empty or overdue: taken out
	deadline time.Time
	quiet    time.Time // since when no connection was in use; zero when some are
	packets  uint64    // of its connections, both ways, as last seen
}

// leaving is a destination that the configuration no longer has.
type leaving struct {
	destination ipvs.Destination
	since       time.Time
	held        uint32 // weight to go on with while nobody can take its place, see Pool.holds
	drain       drain
}

// NewPool gives the pool of a virtual server that finds in the kernel what have
// holds for its services: servers that are there keep serving until their first
// probe decides.
func NewPool(config VirtualServer, have ipvs.Table, now time.Time) *Pool {
	p := &Pool{since: now}
	p.configure(config, have, now)
	total, sorry := 0, false
	for _, m := range p.members {
		if m.sorry {
			sorry = sorry || m.adopted && m.found > 0
		} else if m.adopted && m.found > 0 {
			total += m.config.Weight
		}
	}
	// Between both bounds of the hysteresis, that they serve says that the quorum stood.
	p.up = (!p.lacks(total) || p.replaced()) && !sorry
	return p
}

// Update takes a new configuration. Servers that stay keep their health and
// overrides; those that go are drained.
func (p *Pool) Update(config VirtualServer, have ipvs.Table, now time.Time) {
	p.configure(config, have, now)
}

func (p *Pool) configure(config VirtualServer, have ipvs.Table, now time.Time) {
	before, count := *p, len(config.Real)+len(config.Sorry)
	p.config, p.members = config, make([]*member, 0, count)
	var room []member // for all of a new pool
	if before.members == nil {
		room = make([]member, count)
	}
	add := func(rs RealServer, sorry bool) {
		m := before.find(rs.Address)
		known := m != nil && m.sorry == sorry
		if !known {
			if len(room) > 0 {
				m, room = &room[0], room[1:]
			} else {
				m = new(member)
			}
			*m = member{state: ServerInitial, since: now}
			m.adopt(rs, config.Keys, have)
			if !rs.Checked {
				m.state = ServerUp // nothing has to happen for it
			}
		}
		switch {
		case !rs.Checked:
			m.verdict, m.decided = healthcheck.Verdict{State: healthcheck.Up, Percent: 100, Reason: "no checks"}, true
		case known && m.config.Checked:
		case rs.Trusted:
			m.verdict, m.decided = healthcheck.Verdict{State: healthcheck.Up, Initial: true, Percent: 100, Reason: "not probed yet"}, false
		case known:
			m.verdict, m.decided = healthcheck.Verdict{}, false
			m.adopt(rs, config.Keys, have)
		}
		m.config, m.sorry = rs, sorry
		p.members = append(p.members, m)
	}
	for _, rs := range config.Real {
		add(rs, false)
	}
	for _, rs := range config.Sorry {
		add(rs, true)
	}
	p.order()
	if p.sorry != nil && !slices.Contains(p.members, p.sorry) {
		p.sorry = nil
	}
	p.release(have, now)
}

// few is how many servers are found sooner by a look at each than by their hash.
const few = 16

// order makes the index of the members.
func (p *Pool) order() {
	if p.index = nil; len(p.members) > few {
		p.index = make(map[netip.AddrPort]*member, len(p.members))
		for _, m := range p.members {
			p.index[m.config.Address] = m
		}
	}
}

// adopt notes whether the kernel has the server in any of the pool's services.
func (m *member) adopt(rs RealServer, keys []ipvs.ServiceKey, have ipvs.Table) {
	for _, key := range keys {
		if d, ok := have[key].Destinations[destinationKey(key, rs)]; ok {
			m.adopted, m.found = true, max(m.found, d.Weight)
			m.serving = m.serving || d.Weight > 0
		}
	}
}

// release puts what the kernel has and the configuration no longer names among
// those that leave.
func (p *Pool) release(have ipvs.Table, now time.Time) {
	before := p.leaving
	p.leaving = map[ipvs.ServiceKey]map[ipvs.DestinationKey]leaving{}
	for _, key := range p.config.Keys {
		if len(have[key].Destinations) == 0 {
			continue
		}
		named := map[ipvs.DestinationKey]bool{}
		for _, m := range p.members {
			named[destinationKey(key, m.config)] = true
		}
		for dest, d := range have[key].Destinations {
			if named[dest] {
				continue
			}
			l, going := before[key][dest]
			if !going {
				l = leaving{destination: d, held: d.Weight, since: now}
			}
			if p.leaving[key] == nil {
				p.leaving[key] = map[ipvs.DestinationKey]leaving{}
			}
			p.leaving[key][dest] = l
		}
	}
}

// destinationKey is a server's identity within one service: port 0 stands for
// the service's own port.
func destinationKey(key ipvs.ServiceKey, rs RealServer) ipvs.DestinationKey {
	port := rs.Address.Port()
	if port == 0 {
		port = key.Port
	}
	return ipvs.DestinationKey{Address: rs.Address.Addr().Unmap(), Port: port}
}

// find gives the server with an address, nil for none.
func (p *Pool) find(rs netip.AddrPort) *member {
	if p.index != nil {
		return p.index[rs]
	}
	for _, m := range p.members {
		if m.config.Address == rs {
			return m
		}
	}
	return nil
}

// Config gives the virtual server as it is configured, which stays the pool's.
func (p *Pool) Config() *VirtualServer { return &p.config }

// Has tells whether the pool has a server, real or sorry.
func (p *Pool) Has(rs netip.AddrPort) bool { return p.find(rs) != nil }

// ServerAt gives the configured address of the server that a destination is, which may have
// the service's port.
func (p *Pool) ServerAt(dest ipvs.DestinationKey) (rs netip.AddrPort, ok bool) {
	m := p.at(dest)
	if m == nil {
		return rs, false
	}
	return m.config.Address, true
}

// at gives the server that a destination is, which may have the service's port.
func (p *Pool) at(dest ipvs.DestinationKey) *member {
	if m := p.find(netip.AddrPortFrom(dest.Address, dest.Port)); m != nil {
		return m
	}
	return p.find(netip.AddrPortFrom(dest.Address, 0))
}

// SetVerdict takes what the checks say of a server. It tells whether that is news.
func (p *Pool) SetVerdict(rs netip.AddrPort, v healthcheck.Verdict) bool {
	m := p.find(rs)
	if m == nil || !m.config.Checked || m.verdict == v && m.decided == !v.Initial {
		return false
	}
	m.verdict, m.decided = v, !v.Initial
	return true
}

// SetOverride takes what an operator says of a server; it tells whether the pool
// has that server.
func (p *Pool) SetOverride(rs netip.AddrPort, o Override, now time.Time) bool {
	m := p.find(rs)
	if m == nil {
		return false
	}
	_, in := p.weight(m, now)
	m.override = o
	m.drain = drain{}
	if o.Mode == OverrideDrain {
		m.drain.start(now, p.config.DrainTimeout)
		m.drain.gone = m.drain.gone || !in
	}
	return true
}

// Clone gives a copy that can be changed without harm to the original.
func (p *Pool) Clone() *Pool {
	c := *p
	c.members = make([]*member, len(p.members))
	for i, m := range p.members {
		copied := *m
		c.members[i] = &copied
		if m == p.sorry {
			c.sorry = c.members[i]
		}
	}
	c.order()
	c.leaving = map[ipvs.ServiceKey]map[ipvs.DestinationKey]leaving{}
	for key, l := range p.leaving {
		c.leaving[key] = maps.Clone(l)
	}
	return &c
}

func (d *drain) start(now time.Time, timeout time.Duration) {
	*d = drain{on: true, gone: timeout <= 0, deadline: now.Add(timeout)}
}

// finish is how long a server must have been without established connections, and
// without a packet of the others, until it counts as empty. The kernel goes on listing
// connections that both ends have closed, but also those that are still in their
// handshake, or that the client has closed while it waits for the rest of the answer.
const settle = 5 * time.Second

// observe takes the server's connections; it tells whether the drain is over.
func (d *drain) observe(proto ipvs.Protocol, c ipvs.Counters, now time.Time) bool {
	busy := c.Active
	if !established(proto) {
		busy += c.Inactive
	}
	before := d.packets
	d.packets = c.PacketsIn + c.PacketsOut
	switch {
	case c.Active == 0 && c.Inactive == 0, !now.Before(d.deadline):
		d.gone = true
	case busy > 0:
		d.quiet = time.Time{}
	case d.packets != before:
		d.quiet = now
	case d.quiet.IsZero():
		d.quiet = now
	case now.Sub(d.quiet) >= settle:
		d.gone = true
	}
	return d.gone
}

func (d drain) String() string {
	return fmt.Sprintf("out when its connections are gone, at the latest %s", timespan.At(d.deadline))
}

// established tells whether the kernel tells established connections of a protocol from
// others; of datagrams it does not.
func established(proto ipvs.Protocol) bool { return proto != ipvs.UDP && proto != ipvs.ProtocolNone }
