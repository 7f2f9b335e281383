package probe

import (
	"context"
	"sync"
	"time"

	"usher/healthcheck/internal/deadline"
)

// allowed is a probe's context. It ends with its timeout as others do, but only time in
// which this process got to run counts (deadline.Timeout); so it has no Deadline to tell:
// whoever dials or reads is ended by Done.
type allowed struct {
	context.Context // the parent
	end             context.Context
	cancel          context.CancelFunc

	mu      sync.Mutex
	timeout deadline.Timeout
	over    bool
	timer   *time.Timer
}

// allow begins a probe's time. Its end is to be called when the probe has ended.
func allow(parent context.Context, timeout time.Duration) *allowed {
	a := &allowed{Context: parent}
	a.end, a.cancel = context.WithCancel(parent)
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.timer = time.AfterFunc(a.timeout.Begin(now, timeout).Sub(now), a.look)
	return a
}

func (a *allowed) look() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.end.Err() != nil {
		return
	}
	now := time.Now()
	again, over := a.timeout.Look(now)
	if !over {
		a.timer.Reset(again.Sub(now))
		return
	}
	a.over = true
	a.cancel()
}

// stop releases what the context holds, and says whether this process stood still so
// long that the probe's failure would say nothing of the server.
func (a *allowed) stop() (lost bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	lost = a.timeout.Lost(time.Now())
	a.timer.Stop()
	a.cancel()
	return lost
}

// Done is closed when the time is over, or the parent is.
func (a *allowed) Done() <-chan struct{} { return a.end.Done() }

// Deadline tells of none: when the time will be over is not known.
func (a *allowed) Deadline() (time.Time, bool) { return time.Time{}, false }

// Err is context.DeadlineExceeded when the time is over.
func (a *allowed) Err() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return context.DeadlineExceeded
	}
	return a.end.Err()
}

// AfterFunc spares package context a goroutine for each context that is made of this
// one (see context.AfterFunc).
func (a *allowed) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(a.end, f) }
