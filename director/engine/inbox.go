package engine

import (
	"context"
	"sync"
	"time"
)

// inbox is what is wanted of the state, in order. Its owner does it: Run for as long as it
// runs, else whoever asks.
type inbox struct {
	mu      sync.Mutex // guards waiting, and is held for no longer than that takes
	waiting []func()
	bell    chan struct{} // something waits; holds at most one
	owner   chan struct{} // holds one while the state has an owner
}

func newInbox() *inbox {
	return &inbox{bell: make(chan struct{}, 1), owner: make(chan struct{}, 1)}
}

// own makes the caller the owner of the state, once nobody else is, until disown.
func (i *inbox) own(ctx context.Context) error {
	select {
	case i.owner <- struct{}{}:
		return nil
	default:
	}
	select {
	case i.owner <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (i *inbox) disown() { <-i.owner }

// tell has the owner do f, as soon as there is one. It never waits.
func (i *inbox) tell(f func()) {
	i.mu.Lock()
	i.waiting = append(i.waiting, f)
	i.mu.Unlock()
	select {
	case i.bell <- struct{}{}:
	default:
	}
}

// ask has the owner do f, and returns when it did.
func (i *inbox) ask(f func()) { i.await(f, nil) }

// askFor is ask, but for a time at the most; f is done later then.
func (i *inbox) askFor(patience time.Duration, f func()) {
	late := time.NewTimer(patience)
	defer late.Stop()
	i.await(f, late.C)
}

func (i *inbox) await(f func(), late <-chan time.Time) {
	done := make(chan struct{})
	i.tell(func() {
		f()
		close(done)
	})
	select {
	case <-done:
	case <-late:
	case i.owner <- struct{}{}: // nobody runs
		i.serve()
		i.disown()
	}
}

// serve does what waits. The owner calls it.
func (i *inbox) serve() {
	i.mu.Lock()
	waiting := i.waiting
	i.waiting = nil
	i.mu.Unlock()
	for _, f := range waiting {
		f()
	}
}

// serveUntil serves until done is closed. The owner calls it.
func (i *inbox) serveUntil(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-i.bell:
			i.serve()
		}
	}
}

// beside makes a call that may take long, and serves meanwhile. The owner calls it.
func (i *inbox) beside(call func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		call()
	}()
	i.serveUntil(done)
}
