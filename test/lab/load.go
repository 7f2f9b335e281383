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

// Patience of those who connect: TCP sends a lost SYN again after 1, 3, 7 and 15 s.
// One that was sent again has taken longer than slow.
const (
	loadPatience = 20 * time.Second
	loadSlow     = 900 * time.Millisecond
)

// Tally counts connection attempts.
type Tally struct {
	start                       time.Time
	attempts, failed, slow, cut atomic.Int64
	why                         atomic.Pointer[string]
}

// ended counts an attempt that was begun at some time.
func (c *Tally) ended(begun time.Time, err error) {
	took := time.Since(begun)
	switch {
	case err != nil:
		c.failed.Add(1)
		c.why.CompareAndSwap(nil, new(fmt.Sprintf("%v: after %v: %v", begun.Format("05.000"), took, err)))
	case took > loadSlow:
		c.slow.Add(1)
	}
}

// Await waits until so many more attempts were made.
func (c *Tally) Await(ctx context.Context, more int64) error {
	want := c.attempts.Load() + more
	return Until(ctx, fmt.Sprintf("%d more connection attempts", more), func() error {
		if n := c.attempts.Load(); n < want {
			return fmt.Errorf("%d are missing", want-n)
		}
		return nil
	})
}

// told returns how many attempts were lost, and a line that tells what was seen.
func (c *Tally) told(took time.Duration) (lost int64, story string) {
	lost = c.failed.Load()
	story = fmt.Sprintf("%d attempts, %.0f a second: %d lost, %d whose SYN was sent again; %d connections were cut when they were open",
		c.attempts.Load(), float64(c.attempts.Load())/took.Seconds(), lost, c.slow.Load(), c.cut.Load())
	if why := c.why.Load(); why != nil {
		story += "; the first lost: " + *why
	}
	return lost, story
}

// Load is clients that open one connection after the other.
type Load struct {
	Tally
	stop    context.CancelFunc
	clients sync.WaitGroup
}

// Load starts so many clients on the node, each of which opens a connection at
// every step, or as soon as its last one is over. use uses a connection that is
// open; an error is one that was cut, not an attempt that was lost.
func (n *Node) Load(to netip.AddrPort, clients int, step time.Duration, use func(net.Conn) error) *Load {
	ctx, stop := context.WithCancel(context.Background())
	l := &Load{Tally: Tally{start: time.Now()}, stop: stop}
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
	begun := time.Now()
	l.attempts.Add(1)
	c, err := net.DialTimeout("tcp", to.String(), loadPatience)
	l.ended(begun, err)
	if err != nil {
		return
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(loadPatience)); err != nil || use(c) != nil {
		l.cut.Add(1)
	}
	// No TIME_WAIT, which would use up the client's ports.
	c.(*net.TCPConn).SetLinger(0) //nolint:errcheck // it is over
}

// Stop ends the clients, and returns how many connection attempts were lost and a
// line that tells what they saw.
func (l *Load) Stop() (lost int64, story string) {
	l.stop()
	l.clients.Wait()
	return l.told(time.Since(l.start))
}
