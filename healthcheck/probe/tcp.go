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
	"usher/vrrp/timespan"
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
		r = judgedLate(failedBy(x.job.Check, "connecting", err), lost)
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

// tcp connects, says what is to be said, and reads until what is expected has come.
func tcp(ctx context.Context, c *healthcheck.Check) healthcheck.Result {
	var t healthcheck.TCP
	if c.TCP != nil {
		t = *c.TCP
	}
	var auth clientAuth
	wants := tlsWants{}
	if t.Expect == "" { // what reads hears the server's word anyway
		wants.client = &auth
	}
	conn, expiry, doing, err := open(ctx, c, t.Proxy, t.TLS, wants)
	if err != nil {
		r := failedBy(c, doing, err)
		r.Expiry = expiry
		return r
	}
	defer conn.Close()
	r := talk(ctx, conn, c, t)
	if secure, ok := conn.(*tls.Conn); ok && r.Outcome == healthcheck.Pass {
		if err := auth.refused(ctx, secure, c); err != nil {
			r = failedBy(c, "after the TLS handshake", err)
		}
	}
	r.Expiry = expiry
	return r
}

func talk(ctx context.Context, conn net.Conn, c *healthcheck.Check, t healthcheck.TCP) healthcheck.Result {
	if t.Send != "" {
		if _, err := io.WriteString(conn, t.Send); err != nil {
			return failedBy(c, "sending", err)
		}
	}
	if t.Expect == "" {
		return pass()
	}
	e := expected{text: []byte(t.Expect)}
	if t.ExpectRegex {
		var err error
		if e.pattern, err = regexp.Compile(t.Expect); err != nil {
			return cannot("expect_regex: %v", err)
		}
	}
	buf := make([]byte, 16<<10)
	for {
		n, err := conn.Read(buf)
		end := errors.Is(err, io.EOF)
		if found, bad := e.hear(ctx, buf[:n], end, n < len(buf)); bad != nil {
			return failedBy(c, "judging the answer", bad)
		} else if found {
			return pass()
		}
		switch {
		case end:
			return failf("the answer %s does not hold %s, and the server closed the connection", quote(e.answer), quote(t.Expect))
		case e.open && ctx.Err() == context.DeadlineExceeded:
			return pass() // nothing more comes, so this was its end
		case err != nil && len(e.answer) > 0 && isTimeout(err):
			return failf("the answer %s does not hold %s within %s", quote(e.answer), quote(t.Expect), timespan.Text(c.Timeout))
		case err != nil:
			return failedBy(c, "waiting for the answer", err)
		case len(e.answer) >= answerMost:
			return failf("the first %d bytes of the answer do not hold %s", answerMost, quote(t.Expect))
		}
	}
}

// expected looks for what an answer must hold while it comes in.
type expected struct {
	text    []byte
	pattern *regexp.Regexp // instead of text; nil for none

	answer   []byte
	searched int  // how much was looked through for the pattern, repeats included
	open     bool // it matches what has come, if nothing more does
}

// hear takes a piece of the answer. last says that there is no more, pause that there
// is none at the moment: only then is it worth while to look for a pattern, which takes
// time by all that has come.
func (e *expected) hear(ctx context.Context, piece []byte, last, pause bool) (bool, error) {
	from := max(0, len(e.answer)-len(e.text)+1)
	e.answer = append(e.answer, piece[:min(len(piece), answerMost-len(e.answer))]...)
	if e.pattern == nil {
		return bytes.Contains(e.answer[from:], e.text), nil
	}
	full := len(e.answer) == answerMost
	if len(piece) > 0 {
		e.open = false
	}
	if !last && !full && (!pause || e.searched > answerMost) || len(piece) == 0 && !last || len(e.answer) == 0 {
		return false, nil
	}
	e.searched += len(e.answer)
	at, firm, err := search(ctx, e.pattern, e.answer)
	e.open = at != nil && !full
	return firm || at != nil && last, err
}

// open connects, with a PROXY header and TLS where they are wanted. After an error
// it says what it was doing.
func open(ctx context.Context, c *healthcheck.Check, proxy int, secure bool, wants tlsWants) (_ net.Conn, expiry time.Time, doing string, _ error) {
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
	client, expiry, err := shake(ctx, conn, c, wants)
	if err != nil {
		conn.Close()
		return nil, expiry, "in the TLS handshake", err
	}
	return client, expiry, "", nil
}
