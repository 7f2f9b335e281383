package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"usher/director"
	"usher/director/ipvs"
	"usher/healthcheck"
)

// snapshot is the state as it was at a time. Nobody changes it any more.
type snapshot struct {
	pools      []*director.Pool // as configured
	names      map[ipvs.ServiceKey]string
	table      ipvs.Table
	departures departures
	absent     map[string][]director.AbsentServer // by virtual server
	warnings   []director.Warning                 // those of pools left out
	settings   []director.SettingStatus
	stats      director.Stats
}

// show gives the state as it stands.
func (s *state) show() *snapshot {
	v := &snapshot{
		pools: s.pools.show(), names: s.pools.names, table: s.table.show(), departures: s.departures.show(),
		absent: s.overrides.absent(s.pools), warnings: s.journal.warnings(), settings: s.settings.inForce, stats: s.journal.counted(),
	}
	if s.sync.foreign.Text != "" {
		v.warnings = append(v.warnings, s.sync.foreign)
	}
	return v
}

// pool gives the pool of a name; nil for none.
func (v *snapshot) pool(name string) *director.Pool {
	for _, p := range v.pools {
		if p.Config().Name == name {
			return p
		}
	}
	return nil
}

// lookWithin is how long a reader waits for the state of this moment, before an earlier one
// has to do.
const lookWithin = time.Second

// look gives the state after all that was asked for before.
func (e *Engine) look() *snapshot {
	e.inbox.askFor(lookWithin, func() { e.view.Store(e.state.show()) })
	return e.view.Load()
}

// count gives the counters of all services of usher.
func (e *Engine) count() ipvs.CounterTable {
	return e.counters.of(func() ipvs.Table { return e.look().table })
}

// Status gives every virtual server as it stands, in configured order, then those that a
// reload removed and whose servers still drain. Counters are at most a second old.
func (e *Engine) Status() []director.VirtualServerStatus {
	counters := e.count()
	v := e.look()
	out := make([]director.VirtualServerStatus, 0, len(v.pools))
	for _, p := range v.pools {
		s := p.Status(v.table, counters)
		s.Absent = v.absent[s.Name]
		out = append(out, s)
	}
	return append(out, director.RemovedStatus(v.departures, v.table, counters, func(name string) bool { return v.pool(name) != nil })...)
}

// Warnings gives what is so at this moment and should not be: what the kernel refuses,
// what somebody else does, services of which too few servers are healthy. It asks the
// kernel nothing.
func (e *Engine) Warnings() []director.Warning {
	v := e.look()
	list := slices.Clone(v.warnings)
	for _, p := range v.pools {
		if w, ok := p.Warning(); ok {
			list = append(list, w)
		}
	}
	return list
}

// Stats gives what was done so far.
func (e *Engine) Stats() director.Stats {
	s := e.look().stats
	if since := e.state.busy.Load(); since != 0 {
		s.Busy = time.Unix(0, since)
	}
	return s
}

// Settings gives the kernel settings as they were when last looked at.
func (e *Engine) Settings() []director.SettingStatus { return slices.Clone(e.look().settings) }

// Quorum tells whether a virtual server has its quorum, and why; known is false
// where there is none of that name, and before the first probes have decided whether it
// gets there. It asks the kernel nothing.
func (e *Engine) Quorum(virtualServer string) (up bool, reason string, known bool) {
	if p := e.look().pool(virtualServer); p != nil {
		return p.Quorum()
	}
	return false, "", false
}

// Empties tells what would become of a virtual server's clients if an override of rs left
// it without any real server that takes new connections, though it has some now; "" where
// it does not do that. It changes nothing.
func (e *Engine) Empties(vs string, rs netip.AddrPort, o director.Override) (effect string) {
	if p := e.look().pool(vs); p != nil {
		return p.Empties(rs, o, time.Now())
	}
	return ""
}

// Connections gives how many connections each virtual server has had so far. It
// costs much less than Status.
func (e *Engine) Connections() (map[string]uint64, error) {
	totals, err := e.options.Kernel.Totals()
	if err != nil {
		return nil, fmt.Errorf("director: read the counters of services: %w", err)
	}
	v := e.look()
	out := make(map[string]uint64, len(v.pools))
	for _, p := range v.pools {
		for _, key := range p.Config().Keys {
			out[p.Config().Name] += totals[key].Connections
		}
	}
	return out, nil
}

// Unanswered counts for each real server the TCP connections that it has been
// given and has not answered at this moment, as passive checks want to know. It
// reads the whole connection table: once a second is enough. Servers without such
// connections are left out.
func (e *Engine) Unanswered() (map[healthcheck.ID]int, error) {
	open, err := e.options.Kernel.HalfOpen()
	if err != nil {
		return nil, fmt.Errorf("director: count unanswered connections: %w", err)
	}
	out := map[healthcheck.ID]int{}
	if len(open) == 0 {
		return out, nil
	}
	v := e.look()
	pools := make(map[string]*director.Pool, len(v.pools))
	for _, p := range v.pools {
		pools[p.Config().Name] = p
	}
	for route, n := range open {
		for _, p := range v.poolsOf(route.Service, pools) {
			if rs, ok := p.ServerAt(route.Dest); ok {
				out[healthcheck.ID{VirtualServer: p.Config().Name, RealServer: rs}] += n
			}
		}
	}
	return out, nil
}

// poolsOf gives the pool that a connection came for: of the service of the very port, else
// of the one of every port, else any of a firewall mark, which do not show in the
// connection table; once for each of its marks.
func (v *snapshot) poolsOf(key ipvs.ServiceKey, pools map[string]*director.Pool) []*director.Pool {
	every := key
	every.Port = 0
	for _, k := range []ipvs.ServiceKey{key, every} {
		if p := pools[v.names[k]]; p != nil {
			return []*director.Pool{p}
		}
	}
	var marked []*director.Pool
	for _, p := range v.pools {
		for _, k := range p.Config().Keys {
			if k.Mark != 0 {
				marked = append(marked, p)
			}
		}
	}
	return marked
}
