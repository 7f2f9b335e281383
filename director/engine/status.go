package engine

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"usher/director"
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
func (d *Engine) count() ipvs.CounterTable {
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
func (d *Engine) readCounters(keys []ipvs.ServiceKey) {
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
func (d *Engine) Status() []director.VirtualServerStatus {
	counters := d.count()
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]director.VirtualServerStatus, 0, len(d.order))
	for _, name := range d.order {
		out = append(out, d.pools[name].Status(d.shadow, counters))
	}
	return append(out, director.RemovedStatus(d.retired, d.shadow, counters, func(name string) bool { return d.pools[name] != nil })...)
}

// Warnings gives what is so at this moment and should not be: what the kernel refuses,
// what somebody else does, services of which too few servers are healthy. It asks the
// kernel nothing.
func (d *Engine) Warnings() []director.Warning {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.troubles.warnings()
	if d.foreign.Text != "" {
		list = append(list, d.foreign)
	}
	for _, name := range d.order {
		if w, ok := d.pools[name].Warning(); ok {
			list = append(list, w)
		}
	}
	return list
}

// Connections gives how many connections each virtual server has had so far. It
// costs much less than Status.
func (d *Engine) Connections() (map[string]uint64, error) {
	totals, err := d.options.Kernel.Totals()
	if err != nil {
		return nil, fmt.Errorf("director: read the counters of services: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[string]uint64, len(d.order))
	for _, name := range d.order {
		for _, key := range d.pools[name].Config().Keys {
			out[name] += totals[key].Connections
		}
	}
	return out, nil
}

// Quorum tells whether a virtual server has its quorum, and why; known is false
// where there is none of that name, and before the first probes have decided whether it
// gets there. It asks the kernel nothing.
func (d *Engine) Quorum(virtualServer string) (up bool, reason string, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.pools[virtualServer]
	if p == nil {
		return false, "", false
	}
	return p.Quorum()
}
