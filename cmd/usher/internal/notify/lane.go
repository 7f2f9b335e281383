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

// thing is what a later delivery of the same thing supersedes this one in.
func (d delivery) thing() string { return d.to.String() + " " + d.change.slot() }

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
	ended func(delivery, error) // told what came of a delivery, nil where it was made
	end   func() bool           // asked when nothing waits: whether the lane is to end

	mu      sync.Mutex
	pending []waiting
	things  map[string]int // how often each is in pending
	retired bool           // the configuration has no use for it any more
	wake    chan struct{}
}

// waiting is a delivery with its thing.
type waiting struct {
	delivery
	thing string
}

func newLane(ended func(delivery, error)) *lane {
	return &lane{ended: ended, end: func() bool { return false }, things: map[string]int{}, wake: make(chan struct{}, 1)}
}

// put appends a delivery; it never blocks. Behind a backlog the oldest that it
// supersedes is left out; where there is none, all are of different things, and each is
// the last of its own.
func (l *lane) put(d delivery) {
	l.mu.Lock()
	w := waiting{d, d.thing()}
	if len(l.pending) >= backlog && l.things[w.thing] > 0 {
		i := slices.IndexFunc(l.pending, func(p waiting) bool { return p.thing == w.thing })
		l.pending = slices.Delete(l.pending, i, i+1)
		l.things[w.thing]--
	}
	l.pending = append(l.pending, w)
	l.things[w.thing]++
	l.mu.Unlock()
	l.rouse()
}

func (l *lane) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// retire says whether the configuration has no use for the lane any more. Then it
// delivers what waits, without going on for ever with the last state, and ends.
func (l *lane) retire(retired bool) {
	l.mu.Lock()
	l.retired = retired
	l.mu.Unlock()
	l.rouse()
}

// over says whether the lane is retired and nothing waits.
func (l *lane) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.retired && len(l.pending) == 0
}

// stale says whether more attempts than those configured are pointless: a later change
// of the same thing waits, or nobody wants to be told any more.
func (l *lane) stale(d delivery) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.retired || l.things[d.thing()] > 0
}

func (l *lane) take() (delivery, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) == 0 {
		return delivery{}, false
	}
	w := l.pending[0]
	l.pending[0] = waiting{}
	l.pending = l.pending[1:]
	if l.things[w.thing]--; l.things[w.thing] == 0 {
		delete(l.things, w.thing)
	}
	return w.delivery, true
}

// idle says whether nothing waits.
func (l *lane) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending) == 0
}

// run delivers until the context ends, or the lane is at its end. When closing ends
// before, it delivers what is waiting, with one attempt each, and returns.
func (l *lane) run(ctx, closing context.Context) {
	for ctx.Err() == nil {
		d, ok := l.take()
		if ok {
			l.deliver(ctx, closing, d)
			continue
		}
		if l.end() {
			return
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
		if err == nil {
			l.ended(d, nil)
			return
		}
		if ctx.Err() != nil {
			return
		}
		final := errors.Is(err, errPermanent) || closing.Err() != nil || attempt >= d.to.retries() && l.stale(d)
		if final || attempt == d.to.retries() {
			l.ended(d, err)
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

// rest waits before another attempt. It reports false where the attempt has become
// pointless.
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
			if attempt >= d.to.retries() && l.stale(d) {
				return false
			}
		}
	}
}
