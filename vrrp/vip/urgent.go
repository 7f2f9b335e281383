package vip

import (
	"context"
	"time"
)

// Wakeup wakes the one goroutine that waits for it.
type Wakeup interface {
	// Own is called by the goroutine that will wait, before it first does.
	Own()
	// Wait returns when the wakeup has been rung since it last returned. It may
	// also return for no reason.
	Wait()
	// Wake never blocks.
	Wake()
}

// chanWakeup is a wakeup that the runtime's scheduler rings.
type chanWakeup chan struct{}

func (b chanWakeup) Own()  {}
func (b chanWakeup) Wait() { <-b }
func (b chanWakeup) Wake() {
	select {
	case b <- struct{}{}:
	default: // it is ringing
	}
}

// awake is how long an urgent thread is kept awake after Soon: as long as the loop spins
// before a deadline, and a little more.
const awake = 600 * time.Microsecond

// runUrgent waits for Soon, runs once through what a takeover will need, and then
// spins until an instance becomes active. What that one's worker has to do it does
// at once: nothing has to be woken first, and of several urgent threads on different
// processors the first one does it, when the others' stand still.
func (m *Manager) runUrgent(ctx context.Context, b Wakeup) {
	b.Own()
	for {
		b.Wait()
		if ctx.Err() != nil {
			return
		}
		before, start := m.sets.Load(), time.Now()
		m.serveUrgent() // where it woke late
		m.o.Kernel.Warm()
		for range 1_000_000 { // where time is virtual it does not pass by spinning
			if sets := m.sets.Load(); sets != before {
				before = sets
				m.serveUrgent()
			}
			if time.Since(start) > awake {
				break
			}
		}
	}
}

// serveUrgent serves every instance that has just become active.
func (m *Manager) serveUrgent() {
	m.mu.RLock()
	var urgent []*worker
	for _, k := range m.workers {
		if k.urgent.Load() {
			urgent = append(urgent, k)
		}
	}
	m.mu.RUnlock()
	for _, k := range urgent {
		k.serve()
	}
}
