package notify

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// backlog is how many changes may wait in a lane before superseded ones are left out.
const backlog = 16

// Pauses between attempts, and between those for the last state of all once they
// are used up: that one is tried until it is delivered or superseded.
const (
	pauseFirst = time.Second
	pauseMost  = 30 * time.Second
	pauseLast  = time.Minute
)

// errPermanent wraps a failure that no further attempt will mend.
var errPermanent = errors.New("not tried again")

// delivery is a change on one of its ways out.
type delivery struct {
	change Change
	to     way
}

// way is one way out.
type way interface {
	// deliver makes one attempt. An error that wraps errPermanent is final.
	deliver(ctx context.Context, c Change) error
	// retries is how many attempts may follow the first.
	retries() int
	String() string
}

// lane delivers in order, one at a time.
type lane struct {
	failed func(delivery, error) // tells of a failure

	mu      sync.Mutex
	pending []delivery
	wake    chan struct{}
}

func newLane(failed func(delivery, error)) *lane {
	return &lane{failed: failed, wake: make(chan struct{}, 1)}
}

// put appends a delivery; it never blocks.
func (l *lane) put(d delivery) {
	l.mu.Lock()
	l.pending = append(l.pending, d)
	if len(l.pending) > backlog {
		l.thin()
	}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// thin drops the oldest delivery that a later one supersedes. Where none is, all
// stay: they are of different things, and each is the last of its own.
func (l *lane) thin() {
	for i, d := range l.pending {
		if l.superseded(d, i+1) {
			l.pending = slices.Delete(l.pending, i, i+1)
			return
		}
	}
}

// superseded says whether a later change of the same thing waits for the same way
// out, from position i on; the lane is locked.
func (l *lane) superseded(d delivery, i int) bool {
	return slices.ContainsFunc(l.pending[i:], func(p delivery) bool {
		return p.to.String() == d.to.String() && p.change.slot() == d.change.slot()
	})
}

func (l *lane) take() (delivery, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) == 0 {
		return delivery{}, false
	}
	d := l.pending[0]
	l.pending = l.pending[1:]
	return d, true
}

// idle says whether nothing waits.
func (l *lane) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending) == 0
}

// run delivers until the context ends. When closing ends before, it delivers what
// is waiting, with one attempt each, and returns.
func (l *lane) run(ctx, closing context.Context) {
	for ctx.Err() == nil {
		d, ok := l.take()
		if ok {
			l.deliver(ctx, closing, d)
			continue
		}
		select {
		case <-l.wake:
		case <-closing.Done():
			if l.idle() {
				return
			}
		}
	}
}

// deliver makes attempts until one succeeds or there is no point in more.
func (l *lane) deliver(ctx, closing context.Context, d delivery) {
	pause := pauseFirst
	for attempt := 0; ; attempt++ {
		err := d.to.deliver(ctx, d.change)
		if err == nil || ctx.Err() != nil {
			return
		}
		l.mu.Lock()
		old := l.superseded(d, 0)
		l.mu.Unlock()
		final := errors.Is(err, errPermanent) || closing.Err() != nil || (old && attempt >= d.to.retries())
		if final || attempt == d.to.retries() {
			l.failed(d, err)
		}
		if final {
			return
		}
		if attempt >= d.to.retries() {
			pause = pauseLast
		}
		if !l.rest(closing, d, pause, attempt) {
			return
		}
		pause = min(2*pause, pauseMost)
	}
}

// rest waits before another attempt. It reports false where a newer change has
// made the attempt pointless.
func (l *lane) rest(closing context.Context, d delivery, pause time.Duration, attempt int) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return true
		case <-closing.Done():
			return true // the last attempt, at once
		case <-l.wake:
			l.mu.Lock()
			old := l.superseded(d, 0)
			l.mu.Unlock()
			if old && attempt >= d.to.retries() {
				return false
			}
		}
	}
}
