package director

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"usher/director/ipvs"
)

// counts holds the kernel's counters for a moment, so that status, metrics and page
// together ask for them once.
type counts struct {
	mu      sync.Mutex
	table   ipvs.CounterTable
	at      time.Time
	reading chan struct{} // closed when the read that is under way has ended; nil for none
}

// countFor is how long counters are served again, and countWithin how long the kernel
// may take to give new ones: who wants to know what is wrong must not have to wait for
// a kernel that hangs.
const (
	countFor    = time.Second
	countWithin = time.Second
)

// count gives the counters of all services of usher. Where the kernel does not
// tell, or not soon, they are the last ones known.
func (d *Director) count() ipvs.CounterTable {
	c := &d.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.at.IsZero() && time.Since(c.at) < countFor {
		return c.table
	}
	if c.reading == nil {
		d.mu.Lock()
		keys := slices.Collect(maps.Keys(d.shadow))
		d.mu.Unlock()
		if len(keys) == 0 {
			return nil
		}
		c.reading = make(chan struct{})
		go d.readCounters(keys)
	}
	reading, late := c.reading, time.NewTimer(countWithin)
	defer late.Stop()
	c.mu.Unlock()
	select {
	case <-reading:
	case <-late.C:
	}
	c.mu.Lock()
	return c.table
}

// readCounters asks the kernel.
func (d *Director) readCounters(keys []ipvs.ServiceKey) {
	table, err := d.options.Kernel.Counters(keys...)
	c := &d.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		d.log.Warn("cannot read the IPVS counters", "error", err)
	} else {
		c.table = table
	}
	c.at = time.Now()
	close(c.reading)
	c.reading = nil
}

// Status gives every virtual server as it stands, in configured order, then those that a
// reload removed and whose servers still drain. Counters are at most a second old.
func (d *Director) Status() []VirtualServerStatus {
	counters := d.count()
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]VirtualServerStatus, 0, len(d.order))
	for _, name := range d.order {
		out = append(out, d.pools[name].status(d.shadow, counters))
	}
	return append(out, d.removedServices(counters)...)
}

// Warnings gives what is so at this moment and should not be: what the kernel refuses,
// what somebody else does, services of which too few servers are healthy. It asks the
// kernel nothing.
func (d *Director) Warnings() []Warning {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.troubles.warnings()
	if d.foreign.Text != "" {
		list = append(list, d.foreign)
	}
	for _, name := range d.order {
		if p := d.pools[name]; p != nil && p.panicked {
			list = append(list, Warning{Kind: "min_healthy", VirtualServer: name, Text: p.panic.Reason, Since: p.panic.Time})
		}
	}
	return list
}

// Connections gives how many connections each virtual server has had so far. It
// costs much less than Status.
func (d *Director) Connections() (map[string]uint64, error) {
	totals, err := d.options.Kernel.Totals()
	if err != nil {
		return nil, fmt.Errorf("director: read the counters of services: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[string]uint64, len(d.order))
	for _, name := range d.order {
		for _, key := range d.pools[name].config.Keys {
			out[name] += totals[key].Connections
		}
	}
	return out, nil
}

// Quorum tells whether a virtual server has its quorum, and why; known is false
// where there is none of that name, and before the first probes have decided whether it
// gets there. It asks the kernel nothing.
func (d *Director) Quorum(virtualServer string) (up bool, reason string, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.pools[virtualServer]
	if p == nil {
		return false, "", false
	}
	return p.up, p.reason, p.up || p.decided()
}

func (p *Pool) status(shadow ipvs.Table, counters ipvs.CounterTable) VirtualServerStatus {
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
			r.EffectiveWeight = max(r.EffectiveWeight, int(shadow[key].Destinations[dest].Weight))
			r.Counters = r.Counters.Plus(counters[key].Destinations[dest])
		}
		s.Real = append(s.Real, r)
	}
	s.Real = append(s.Real, p.removedStatus(shadow, counters)...)
	s.count()
	return s
}

// count adds up the connections of the servers, which the kernel does not count by service.
func (s *VirtualServerStatus) count() {
	for _, r := range s.Real {
		s.Counters.Active += r.Counters.Active
		s.Counters.Inactive += r.Counters.Inactive
		s.Counters.Persistent += r.Counters.Persistent
	}
}
