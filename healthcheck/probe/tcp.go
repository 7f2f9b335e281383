package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"regexp"
	"sync"
	"time"

	"usher/healthcheck"
	"usher/healthcheck/probe/loop"
)

// connectOnly says that a tcp check ends when the connection stands.
func connectOnly(c *healthcheck.Check) bool {
	t := c.TCP
	return t == nil || (t.Send == "" && t.Expect == "" && t.Proxy == 0 && !t.TLS)
}

// connectExchange is such a check on the event loop.
type connectExchange struct {
	job       healthcheck.Job
	handshake time.Duration
}

func (x *connectExchange) Connected(handshake time.Duration) []byte {
	x.handshake = handshake
	return nil
}

func (x *connectExchange) Received([]byte, bool) bool { return true }

func (x *connectExchange) Ended(_ loop.Phase, lost bool, err error) {
	r := healthcheck.Result{Outcome: healthcheck.Pass, Latency: x.handshake}
	if err != nil {
		r = judgedLate(broken(x.job.Check, "connecting", err), lost)
	}
	report := x.job.Report
	*x = connectExchange{}
	connectExchanges.Put(x)
	report(r)
}

// connectExchanges are at rest.
var connectExchanges = sync.Pool{New: func() any { return new(connectExchange) }}

func newConnectExchange(j healthcheck.Job) *connectExchange {
	x := connectExchanges.Get().(*connectExchange)
	x.job = j
	return x
}

// answerMost is how much of an answer is looked at.
const answerMost = 1 << 20

// tcp connects, says what is to be said, and reads until what is expected has come.
func tcp(ctx context.Context, c *healthcheck.Check) healthcheck.Result {
	var t healthcheck.TCP
	if c.TCP != nil {
		t = *c.TCP
	}
	conn, expiry, doing, err := open(ctx, c, t.Proxy, t.TLS)
	if err != nil {
		r := broken(c, doing, err)
		r.Expiry = expiry
		return r
	}
	defer conn.Close()
	r := talk(ctx, conn, c, t)
	r.Expiry = expiry
	return r
}

func talk(ctx context.Context, conn net.Conn, c *healthcheck.Check, t healthcheck.TCP) healthcheck.Result {
	if t.Send != "" {
		if _, err := io.WriteString(conn, t.Send); err != nil {
			return broken(c, "sending", err)
		}
	}
	if t.Expect == "" {
		return pass()
	}
	found := func(b []byte) (bool, error) { return bytes.Contains(b, []byte(t.Expect)), nil }
	if t.ExpectRegex {
		pattern, err := regexp.Compile(t.Expect)
		if err != nil {
			return healthcheck.Result{Reason: "expect_regex: " + err.Error()}
		}
		found = func(b []byte) (bool, error) {
			at, err := search(ctx, pattern, b)
			return at != nil, err
		}
	}
	var answer []byte
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if answer = append(answer, buf[:n]...); n > 0 {
			ok, bad := found(answer)
			if bad != nil {
				return broken(c, "judging the answer", bad)
			}
			if ok {
				return pass()
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return failf("the answer %s does not hold %s, and the server closed the connection", quote(answer), quote(t.Expect))
		case err != nil && len(answer) > 0 && isTimeout(err):
			return failf("the answer %s does not hold %s within %s", quote(answer), quote(t.Expect), round(c.Timeout))
		case err != nil:
			return broken(c, "waiting for the answer", err)
		case len(answer) > answerMost:
			return failf("the first %d bytes of the answer do not hold %s", answerMost, quote(t.Expect))
		}
	}
}

// open connects, with a PROXY header and TLS where they are wanted. After an error
// it says what it was doing.
func open(ctx context.Context, c *healthcheck.Check, proxy int, secure bool) (_ net.Conn, expiry time.Time, doing string, _ error) {
	conn, err := dial(ctx, c)
	if err != nil {
		return nil, expiry, "connecting", err
	}
	if proxy != 0 {
		if _, err := conn.Write(proxyHeader(proxy, conn.LocalAddr(), conn.RemoteAddr())); err != nil {
			conn.Close()
			return nil, expiry, "sending the PROXY header", err
		}
	}
	if !secure {
		return conn, expiry, "", nil
	}
	client, expiry, err := shake(ctx, conn, c, "")
	if err != nil {
		conn.Close()
		return nil, expiry, "in the TLS handshake", err
	}
	return client, expiry, "", nil
}

// shake does the TLS handshake on a connection. name stands in for a server name
// that is not configured.
func shake(ctx context.Context, conn net.Conn, c *healthcheck.Check, name string) (*tls.Conn, time.Time, error) {
	var expiry time.Time
	config, err := tlsConfig(c, name, func(t time.Time) { expiry = t })
	if err != nil {
		return nil, expiry, err
	}
	client := tls.Client(conn, config)
	err = client.HandshakeContext(ctx)
	return client, expiry, err
}
