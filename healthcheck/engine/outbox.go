package engine

import (
	"context"
	"sync"

	"usher/healthcheck"
)

// outbox hands verdicts and events on, in order, from one goroutine: whoever
// takes them may be slow without a probe being late for it.
type outbox struct {
	ready chan struct{}
	mu    sync.Mutex
	list  []delivery
}

// delivery is one of the two.
type delivery struct {
	update *healthcheck.Update
	event  *healthcheck.Event
}

func (o *outbox) put(d delivery) {
	o.mu.Lock()
	o.list = append(o.list, d)
	o.mu.Unlock()
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

func (o *outbox) run(ctx context.Context, opts Options) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.ready:
		}
		o.mu.Lock()
		list := o.list
		o.list = nil
		o.mu.Unlock()
		for _, d := range list {
			switch {
			case ctx.Err() != nil:
				return
			case d.update != nil && opts.Results != nil:
				opts.Results(*d.update)
			case d.event != nil && opts.Events != nil:
				opts.Events(*d.event)
			}
		}
	}
}
