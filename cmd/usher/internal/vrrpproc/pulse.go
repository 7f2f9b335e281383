package vrrpproc

import (
	"context"
	"time"
)

// How often a child is asked whether it is there, and after how many questions
// without an answer it is taken for hung. Its addresses are gone by their lease
// long before; this is for the director to be of use again.
const (
	pulse     = 10 * time.Second
	missedMax = 3
)

// watch kills a child that answers no more, until the context ends. A question
// that the parent itself slept through counts once at most.
func (c *peer) watch(ctx context.Context, hung func()) {
	tick := time.NewTicker(pulse)
	defer tick.Stop()
	for missed := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if _, err := c.ask(message{Status: true}, pulse); err == nil {
			missed = 0
		} else if missed++; missed == missedMax && ctx.Err() == nil {
			hung()
			c.proc.Kill()
			return
		}
	}
}
