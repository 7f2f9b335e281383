package native

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// Connection attempts of TestHandover: so many clients, each one at every step.
const (
	handoverClients = 10
	handoverStep    = 10 * time.Millisecond
)

// service answers on every address of a node until the test ends: it takes each
// connection and closes it once it has said a byte.
func service(t *testing.T, n *lab.Node) {
	t.Helper()
	var l net.Listener
	labtest.Must(t, n.Do(func() (err error) {
		l, err = net.Listen("tcp", "0.0.0.0:8080")
		return err
	}))
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				c.Write([]byte("."))
				c.Close()
			}()
		}
	}()
}

// TestHandover: a planned handover, and the one back, under a thousand new
// connections a second: not one attempt is lost.
func TestHandover(t *testing.T) {
	l := suite.Alone(t, "dr") // the topology with a client
	run(t, l.A, 150)
	run(t, l.B, 100)
	labtest.Await(t, l.A, "web", "active")
	labtest.Await(t, l.B, "web", "backup")
	service(t, l.A)
	service(t, l.B)
	ctx, stop := context.WithCancel(t.Context())
	var attempts, failed, slow, cut atomic.Int64
	var clients sync.WaitGroup
	for range handoverClients {
		clients.Go(func() {
			l.Client.Do(func() error {
				tick := time.NewTicker(handoverStep)
				defer tick.Stop()
				for ctx.Err() == nil {
					start := time.Now()
					attempts.Add(1)
					c, err := net.DialTimeout("tcp", net.JoinHostPort(lab.VIP.String(), "8080"), 5*time.Second)
					switch took := time.Since(start); {
					case err != nil:
						failed.Add(1)
						t.Logf("%v after %v: %v", start.Format("05.000"), took, err)
					default:
						if took > 900*time.Millisecond {
							slow.Add(1) // its SYN was sent again
						}
						if hear(c) != nil {
							cut.Add(1)
						}
					}
					<-tick.C
				}
				return nil
			})
		})
	}
	await := func(what string, want int64) {
		t.Helper()
		labtest.Must(t, lab.Until(t.Context(), what, func() error {
			if attempts.Load() < want {
				return context.DeadlineExceeded
			}
			return nil
		}))
	}
	await("the load is there", 500)
	usher(t, l.A, "failover", "web")
	labtest.Await(t, l.B, "web", "active")
	labtest.Must(t, l.A.AwaitVIP(t.Context(), false))
	await("the load goes on", attempts.Load()+500)
	usher(t, l.B, "failover", "web")
	labtest.Await(t, l.A, "web", "active")
	labtest.Must(t, l.B.AwaitVIP(t.Context(), false))
	await("the load goes on", attempts.Load()+500)
	stop()
	clients.Wait()
	t.Logf("%d attempts, %d failed, %d were slow; %d were open when the VIP moved and ended with it",
		attempts.Load(), failed.Load(), slow.Load(), cut.Load())
	if failed.Load() > 0 {
		t.Errorf("%d of %d connection attempts were lost", failed.Load(), attempts.Load())
	}
}

// hear hears a connection's byte, and closes it without leaving a TIME_WAIT that
// would use up the client's ports. A connection that was open when the VIP moved
// ends here, with a server that the director itself is: to carry such ones over is
// the work of IPVS synchronisation, which needs its kernel.
func hear(c net.Conn) error {
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if err := c.(*net.TCPConn).SetLinger(0); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 1))
	return err
}
