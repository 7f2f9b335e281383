package daemon

import (
	"context"
	"errors"
	"fmt"
)

// task is one thing that runs, apart from the others: they are stopped in order.
type task struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// run starts a part. It ends when it is stopped, not with ctx: the order is stop's.
func (d *Daemon) run(ctx context.Context, name string, f func(context.Context) error) *task {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &task{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		err := f(own)
		if own.Err() != nil && err == nil {
			return
		}
		if err == nil {
			err = errors.New("ended by itself")
		}
		err = fmt.Errorf("%s: %w", name, err)
		d.log.Error("a part of the daemon failed", "error", err)
		select {
		case d.failed <- err:
		default:
		}
	}()
	return p
}

// stop ends the part and waits for it. A part that was never started is nil.
func (p *task) stop() {
	if p == nil {
		return
	}
	p.cancel()
	<-p.done
}
