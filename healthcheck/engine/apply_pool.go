package engine

import (
	"fmt"
	"slices"
	"time"

	"usher/healthcheck"
)

// ApplyPool sets the servers of one virtual server and their checks, as Apply does for
// all: what stays as it is goes on undisturbed, and the servers of others are not looked
// at. All or nothing.
func (e *Engine) ApplyPool(virtualServer string, targets []healthcheck.Target) error {
	for i := range targets {
		if of := targets[i].ID.VirtualServer; of != virtualServer {
			return fmt.Errorf("healthcheck: server %s is of %q, not of %q", targets[i].ID.RealServer, of, virtualServer)
		}
	}
	e.applying.Lock()
	defer e.applying.Unlock()
	plan, err := e.prepare(targets)
	if err != nil {
		return err
	}
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.epoch.IsZero() {
		e.epoch = now
	}
	wanted := make(map[healthcheck.ID]bool, len(targets))
	ids := make([]healthcheck.ID, len(targets))
	for i := range targets {
		ids[i] = targets[i].ID
		wanted[ids[i]] = true
		if !plan[i].same {
			e.applyTarget(now, &targets[i], plan[i].keys)
		}
	}
	at := slices.IndexFunc(e.order, func(id healthcheck.ID) bool { return id.VirtualServer == virtualServer })
	order := make([]healthcheck.ID, 0, len(e.order)+len(ids))
	for i, id := range e.order {
		if i == at {
			order = append(order, ids...)
		}
		if id.VirtualServer != virtualServer {
			order = append(order, id)
			continue
		}
		if t := e.targets[id]; !wanted[id] && t != nil {
			e.queue.Remove(&t.hold)
			e.release(t.members)
			delete(e.targets, id)
		}
	}
	if at < 0 {
		order = append(order, ids...)
	}
	e.order = order
	e.stats.Checks = len(e.probes)
	e.rouse()
	return nil
}
