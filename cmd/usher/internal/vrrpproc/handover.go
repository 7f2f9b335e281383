package vrrpproc

import (
	"context"
	"time"

	"usher/vrrp"
	"usher/vrrp/engine"
)

// Bounds of the handover before a planned stop: how much later than after its
// Skew_Time a peer may be heard, and how often one looks.
const (
	handoverSlack = 100 * time.Millisecond
	handoverLook  = 5 * time.Millisecond
)

// handOver resigns all instances and keeps their addresses until the peers have
// them, so that no connection attempt is lost in between. A peer takes over within
// Skew_Time of the lowest priority; without one that ends the wait.
func (c *child) handOver(ctx context.Context) {
	patience := c.longestSkew(ctx)
	if patience == 0 {
		return
	}
	deadline := time.After(patience + handoverSlack)
	if err := c.loop.Call(ctx, func(now time.Time, e *engine.Engine) { e.Maintenance(now, true) }); err != nil {
		return
	}
	tick := time.NewTicker(handoverLook)
	defer tick.Stop()
	for c.longestSkew(ctx) > 0 {
		select {
		case <-tick.C:
		case <-deadline:
			return
		case <-ctx.Done():
			return
		}
	}
}

// longestSkew is the longest that a peer takes to succeed one of the instances that are
// active; zero where none is.
func (c *child) longestSkew(ctx context.Context) (longest time.Duration) {
	var all []vrrp.Status
	if err := c.loop.Call(ctx, func(now time.Time, e *engine.Engine) { all = e.Status(now) }); err != nil {
		return 0
	}
	for _, s := range all {
		if s.State == vrrp.Active {
			longest = max(longest, c.have[s.Name].LongestSkew())
		}
	}
	return longest
}
