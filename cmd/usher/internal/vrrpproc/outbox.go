package vrrpproc

import (
	"context"
	"io"
	"sync"
)

// outboxMost bounds what waits for the other side: events while the parent is
// stopped. The oldest go first then.
const outboxMost = 10_000

// outbox writes messages in order on a goroutine of its own, so that nobody who
// has something to say ever waits for a reader that does not read.
type outbox struct {
	mu    sync.Mutex
	queue []message
	wake  chan struct{}
}

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1)} }

// put appends a message. It never blocks.
func (o *outbox) put(m message) {
	o.mu.Lock()
	if len(o.queue) == outboxMost {
		o.queue = o.queue[1:]
	}
	o.queue = append(o.queue, m)
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *outbox) take() (message, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 {
		return message{}, false
	}
	m := o.queue[0]
	o.queue = o.queue[1:]
	return m, true
}

// run writes until the context ends and then what is left, or until a write fails.
func (o *outbox) run(ctx context.Context, w io.Writer) error {
	for {
		for {
			m, ok := o.take()
			if !ok {
				break
			}
			if err := writeMessage(w, m); err != nil {
				return err
			}
		}
		select {
		case <-o.wake:
			continue
		default:
		}
		select {
		case <-o.wake:
		case <-ctx.Done():
			if o.empty() {
				return nil
			}
		}
	}
}

func (o *outbox) empty() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.queue) == 0
}
