package hold

import (
	"context"
	"time"
)

// Bell wakes the one goroutine that waits for it.
type Bell interface {
	// Own is called by the goroutine that will wait, before it first does.
	Own()
	// Wait returns when the bell has been rung since it last returned. It may
	// also return for no reason.
	Wait()
	// Ring never blocks.
	Ring()
}

// plainBell is a bell that the runtime's scheduler rings.
type plainBell chan struct{}

func (b plainBell) Own()  {}
func (b plainBell) Wait() { <-b }
func (b plainBell) Ring() {
	select {
	case b <- struct{}{}:
	default: // it is ringing
	}
}

// awake is how long a hand is kept awake after Soon: as long as the loop spins
// before a deadline, and a little more.
const awake = 600 * time.Microsecond

// hand waits for Soon, runs once through what a takeover will need, and then
// spins until an instance becomes active. What that one's keeper has to do it does
// at once: nothing has to be woken first, and of several hands on different
// processors the first one does it, when the others' stand still.
func (m *Manager) hand(ctx context.Context, b Bell) {
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
	var urgent []*keeper
	for _, k := range m.keepers {
		if k.urgent.Load() {
			urgent = append(urgent, k)
		}
	}
	m.mu.RUnlock()
	for _, k := range urgent {
		k.serve()
	}
}
