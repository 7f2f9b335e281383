package hold

import (
	"context"
	"time"
)

// awake is how long a thread is kept awake after Soon: as long as the loop spins
// before a deadline, and a little more.
const awake = 600 * time.Microsecond

// stayWarm waits for Soon, runs once through what a takeover will need, and then
// spins until Set is called: its processor, whose caches have seen all of that,
// then looks for work and finds the keeper.
func (m *Manager) stayWarm(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.soon:
		}
		before, start := m.sets.Load(), time.Now()
		m.o.Kernel.Warm()
		for range 1_000_000 { // where time is virtual it does not pass by spinning
			if m.sets.Load() != before || time.Since(start) > awake {
				break
			}
		}
	}
}
