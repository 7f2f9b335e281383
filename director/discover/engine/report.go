package engine

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"

	"usher/director/discover"
)

// Status is what one source says at present.
type Status struct {
	VirtualServer string
	Source        discover.Source
	Servers       int // of the pool, that are this source's
	discover.Set
}

// Servers gives the discovered servers of a pool; none for one that has no sources. They
// must not be changed.
func (e *Engine) Servers(virtualServer string) []discover.Server {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.pools[virtualServer]; p != nil {
		return p.Servers()
	}
	return nil
}

// Left tells when a server that a pool had was last listed, if that was lately.
func (e *Engine) Left(virtualServer string, server netip.AddrPort) (at time.Time, known bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.pools[virtualServer]; p != nil {
		return p.Left(server, time.Now())
	}
	return time.Time{}, false
}

// Status gives every source, in configured order.
func (e *Engine) Status() (all []Status) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, name := range e.order {
		all = appendStatus(all, name, e.pools[name].Pool)
	}
	return all
}

// appendStatus adds the sources of a pool.
func appendStatus(all []Status, name string, p *discover.Pool) []Status {
	first := len(all)
	for i, set := range p.Sets() {
		set.Errors = maps.Clone(set.Errors)
		set.Entries, set.Held, set.Ignored = slices.Clone(set.Entries), slices.Clone(set.Held), slices.Clone(set.Ignored)
		all = append(all, Status{VirtualServer: name, Source: p.Sources()[i], Set: set})
	}
	for _, s := range p.Servers() {
		all[first+s.Source].Servers++
	}
	return all
}

// Answered waits until every source has answered once, well or not, or ctx ends.
func (e *Engine) Answered(ctx context.Context) {
	e.mu.Lock()
	var first []chan struct{}
	for _, p := range e.pools {
		for _, a := range p.askers {
			first = append(first, a.first)
		}
	}
	e.mu.Unlock()
	for _, c := range first {
		select {
		case <-c:
		case <-ctx.Done():
			return
		}
	}
}

// Age is how old what a source said is; 0 where it has not said anything.
func (s *Status) Age(now time.Time) time.Duration {
	if s.Confirmed.IsZero() {
		return 0
	}
	return max(now.Sub(s.Confirmed), 0)
}
