package engine

import (
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"usher/director"
	"usher/director/ipvs"
)

// counters are the kernel's counters for a moment, so that status, metrics and page
// together ask for them once. Readers share them; they are no part of the state.
type counters struct {
	log    *slog.Logger
	kernel director.Kernel
	last   atomic.Pointer[counted]
	flight singleflight.Group
}

type counted struct {
	table ipvs.CounterTable
	at    time.Time
}

// countFor is how long counters are served again, and countWithin how long the kernel
// may take to give new ones: who wants to know what is wrong must not have to wait for
// a kernel that hangs.
const (
	countFor    = time.Second
	countWithin = time.Second
)

// of gives the counters of services. Where the kernel does not tell, or not soon, they are
// the last ones known.
func (c *counters) of(services func() ipvs.Table) ipvs.CounterTable {
	if last := c.last.Load(); last != nil && time.Since(last.at) < countFor {
		return last.table
	}
	if services := services(); len(services) > 0 {
		late := time.NewTimer(countWithin)
		defer late.Stop()
		select {
		case <-c.flight.DoChan("", func() (any, error) { return nil, c.read(services) }):
		case <-late.C:
		}
	}
	if last := c.last.Load(); last != nil {
		return last.table
	}
	return nil
}

// read asks the kernel.
func (c *counters) read(services ipvs.Table) error {
	keys := make([]ipvs.ServiceKey, 0, len(services))
	for key := range services {
		keys = append(keys, key)
	}
	now := counted{}
	table, err := c.kernel.Counters(keys...)
	if err != nil {
		c.log.Warn("cannot read the IPVS counters", "error", err)
		if last := c.last.Load(); last != nil {
			table = last.table
		}
	}
	now.table, now.at = table, time.Now()
	c.last.Store(&now)
	return err
}
