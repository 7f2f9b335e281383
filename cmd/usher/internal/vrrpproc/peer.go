package vrrpproc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"usher/vrrp"
	"usher/vrrp/timespan"
)

// Process is a started child: the parent's end of the connection, and its end.
type Process struct {
	Conn net.Conn
	Wait func() error // returns when the process has ended
	Kill func()       // ends it at once
	PID  int          // 0 where it is no process of its own
	// Idle is how long ago the child's loop was last at work, after its end as well; nil
	// where nobody knows.
	Idle func() time.Duration
	// Release ends what watches over it, when it has ended and what it held is
	// withdrawn; nil where nothing does.
	Release func()
}

// Starter starts a child, which keeps the lock, nil where there is none.
type Starter func(*Lock) (Process, error)

// peer is the parent's view of one running child.
type peer struct {
	proc   Process
	out    *outbox
	events func(vrrp.Event)
	stop   func() time.Duration // how long its end may take once it is told to
	gone   chan struct{}        // closed when the child is

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]chan reply
}

func newPeer(proc Process, events func(vrrp.Event), stop func() time.Duration) *peer {
	return &peer{proc: proc, out: newOutbox(), events: events, stop: stop, gone: make(chan struct{}), waiting: map[uint64]chan reply{}}
}

// send queues a message that needs no answer.
func (c *peer) send(m message) { c.out.put(m) }

// ask sends a request and waits for its answer.
func (c *peer) ask(m message, within time.Duration) (reply, error) {
	answer := make(chan reply, 1)
	c.mu.Lock()
	c.next++
	m.ID = c.next
	c.waiting[m.ID] = answer
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, m.ID)
	}()
	c.out.put(m)
	timeout := time.NewTimer(within)
	defer timeout.Stop()
	select {
	case r := <-answer:
		if r.Error != "" {
			return r, errors.New(r.Error)
		}
		return r, nil
	case <-c.gone:
		return reply{}, ErrNoChild
	case <-timeout.C:
		return reply{}, fmt.Errorf("vrrp: no answer from the VRRP process within %s", timespan.Text(within))
	}
}

// run reads from the child until it ends, of itself or because the context did.
func (c *peer) run(ctx context.Context) error {
	defer close(c.gone)
	writeCtx, endWrite := context.WithCancel(context.Background())
	written := make(chan struct{})
	go func() {
		defer close(written)
		// A write fails where the child is gone, and then reading says so, too.
		_ = c.out.run(writeCtx, c.proc.Conn)
	}()
	stop := context.AfterFunc(ctx, func() {
		c.send(message{Stop: true})
		kill := time.AfterFunc(c.stop(), c.proc.Kill)
		<-c.gone
		kill.Stop()
	})
	read := c.read()
	// Nothing more comes from it: it is gone, or talks nonsense.
	c.proc.Kill()
	err := c.proc.Wait()
	endWrite()
	closed := c.proc.Conn.Close()
	<-written
	if stop() || ctx.Err() == nil {
		if err != nil && errors.Is(read, io.EOF) {
			return err // how it ended says more than that it says nothing any more
		}
		return errors.Join(err, read)
	}
	return errors.Join(err, closed)
}

// read takes events and answers until the child's end is closed.
func (c *peer) read() error {
	r := bufio.NewReader(c.proc.Conn)
	for {
		m, err := readMessage(r)
		if err != nil {
			return err
		}
		switch {
		case m.Event != nil:
			c.events(*m.Event)
		case m.Reply != nil:
			c.mu.Lock()
			if w := c.waiting[m.ID]; w != nil {
				w <- *m.Reply
			}
			c.mu.Unlock()
		}
	}
}
