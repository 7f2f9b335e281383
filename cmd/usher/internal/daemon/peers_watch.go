package daemon

import (
	"context"
	"sync"
	"time"

	"usher/cmd/usher/internal/peers"
	"usher/cmd/usher/internal/peers/compare"
)

// comparison is what this director makes of what the others say. Nothing acts by it.
type comparison struct {
	digests digests

	mu     sync.Mutex
	watch  compare.Watch
	found  []compare.Finding // at the last look, a second ago at most
	told   []compare.Warning // of it what has lasted
	absent map[string]bool   // the others that are not heard for long enough to say so
}

// watchPeers compares the directors again and again: what differs is told once it has
// lasted.
func (d *Daemon) watchPeers(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			d.reporter.compare(now)
		}
	}
}

// compare takes what the directors say at a moment.
func (r *reporter) compare(at time.Time) {
	now := r.current.now()
	view := r.current.peersView()
	g := &r.comparison
	if !view.On || now.config == nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.watch, g.found, g.told, g.absent = compare.Watch{}, nil, nil, nil
		return
	}
	self, others := r.self(now, view), others(view)
	found, comparable := compare.Look(self, others)
	g.mu.Lock()
	defer g.mu.Unlock()
	lasting := g.watch.Step(at, self, found)
	g.found = found
	g.told = compare.Warnings(self, lasting, comparable, reasons(self, others))
	g.absent = map[string]bool{}
	for _, l := range lasting {
		if l.Kind == compare.Absent {
			g.absent[l.Peer] = true
		}
	}
}

// self is this director as the comparison sees it: as it says to the others.
func (r *reporter) self(now snapshot, view peers.View) compare.Self {
	return compare.Self{Name: view.Name, Document: view.Self, Parts: r.comparison.digests.of(now), Patience: r.comparison.digests.lasts}
}

// others are the members of the group but this one.
func others(view peers.View) (all []compare.Peer) {
	for i := range view.Members {
		m := &view.Members[i]
		all = append(all, compare.Peer{Name: called(m), Up: m.Up, Document: m.Document})
	}
	return all
}

// called is a member's name, or its address while no name is known.
func called(m *peers.Member) string {
	if m.Name == "" {
		return m.Address.String()
	}
	return m.Name
}

// reasons tell why a server is down where it is.
func reasons(self compare.Self, others []compare.Peer) func(compare.Finding) string {
	return func(f compare.Finding) string {
		list := self.Document.Down
		if f.How == compare.There {
			for _, p := range others {
				if p.Name == f.Peer && p.Document != nil {
					list = p.Document.Down
				}
			}
		}
		for _, h := range list {
			if h.VirtualServer == f.Name && h.RealServer == f.Server {
				return h.Reason
			}
		}
		return ""
	}
}
