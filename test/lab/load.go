package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Patience of a Load's clients: TCP sends a lost SYN again after 1, 3, 7 and 15 s.
// One that was sent again has taken longer than slow.
const (
	loadPatience = 20 * time.Second
	loadSlow     = 900 * time.Millisecond
)

// Load is clients that open one connection after the other.
type Load struct {
	stop    context.CancelFunc
	clients sync.WaitGroup
	start   time.Time

	attempts, failed, slow, cut atomic.Int64
	why                         atomic.Pointer[string]
}

// Load starts so many clients on the node, each of which opens a connection at
// every step, or as soon as its last one is over. use uses a connection that is
// open; an error is one that was cut, not an attempt that was lost.
func (n *Node) Load(to netip.AddrPort, clients int, step time.Duration, use func(net.Conn) error) *Load {
	ctx, stop := context.WithCancel(context.Background())
	l := &Load{stop: stop, start: time.Now()}
	for range clients {
		l.clients.Go(func() {
			n.Do(func() error { //nolint:errcheck // failures are counted
				tick := time.NewTicker(step)
				defer tick.Stop()
				for ctx.Err() == nil {
					l.attempt(to, use)
					<-tick.C
				}
				return nil
			})
		})
	}
	return l
}

func (l *Load) attempt(to netip.AddrPort, use func(net.Conn) error) {
	start := time.Now()
	l.attempts.Add(1)
	c, err := net.DialTimeout("tcp", to.String(), loadPatience)
	took := time.Since(start)
	if err != nil {
		l.failed.Add(1)
		l.why.CompareAndSwap(nil, new(fmt.Sprintf("%v: after %v: %v", start.Format("05.000"), took, err)))
		return
	}
	defer c.Close()
	if took > loadSlow {
		l.slow.Add(1)
	}
	if err := c.SetDeadline(time.Now().Add(loadPatience)); err != nil || use(c) != nil {
		l.cut.Add(1)
	}
	// No TIME_WAIT, which would use up the client's ports.
	c.(*net.TCPConn).SetLinger(0) //nolint:errcheck // it is over
}

// Await waits until so many more attempts were made.
func (l *Load) Await(ctx context.Context, more int64) error {
	want := l.attempts.Load() + more
	return Until(ctx, fmt.Sprintf("%d more connection attempts", more), func() error {
		if n := l.attempts.Load(); n < want {
			return fmt.Errorf("%d are missing", want-n)
		}
		return nil
	})
}

// Stop ends the clients, and returns how many connection attempts were lost and a
// line that tells what they saw.
func (l *Load) Stop() (lost int64, story string) {
	l.stop()
	l.clients.Wait()
	lost = l.failed.Load()
	story = fmt.Sprintf("%d attempts, %.0f a second: %d lost, %d whose SYN was sent again; %d connections were cut when they were open",
		l.attempts.Load(), float64(l.attempts.Load())/time.Since(l.start).Seconds(), lost, l.slow.Load(), l.cut.Load())
	if why := l.why.Load(); why != nil {
		story += "; the first lost: " + *why
	}
	return lost, story
}
