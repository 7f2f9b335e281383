package native

import (
	"net"
	"net/netip"
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
	labtest.Serve(t, n, 8080, func(c net.Conn) { c.Write([]byte(".")) }) //nolint:errcheck // the client misses it
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
	load := l.Client.Load(netip.AddrPortFrom(lab.VIP, 8080), handoverClients, handoverStep, hear)
	labtest.Must(t, load.Await(t.Context(), 500))
	usher(t, l.A, "failover", "web")
	labtest.Await(t, l.B, "web", "active")
	labtest.Must(t, l.A.AwaitVIP(t.Context(), false))
	labtest.Must(t, load.Await(t.Context(), 500))
	usher(t, l.B, "failover", "web")
	labtest.Await(t, l.A, "web", "active")
	labtest.Must(t, l.B.AwaitVIP(t.Context(), false))
	labtest.Must(t, load.Await(t.Context(), 500))
	lost, story := load.Stop()
	t.Log(story)
	if lost > 0 {
		t.Errorf("%d connection attempts were lost", lost)
	}
}

// hear hears a connection's byte. A connection that was open when the VIP moved
// ends here, with a server that the director itself is: to carry such ones over is
// the work of IPVS synchronisation, which needs its kernel.
func hear(c net.Conn) error {
	_, err := c.Read(make([]byte, 1))
	return err
}
