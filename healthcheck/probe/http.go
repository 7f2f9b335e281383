package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"usher/healthcheck"
	"usher/healthcheck/probe/loop"
)

// simple says that an http check can run on the event loop: one plain request of
// HTTP/1, with nothing to be read from files first, and an answer that is judged at
// once: what a server sends can keep a pattern or a parser busy for long, and the loop
// and all other checks with it.
func simple(c *healthcheck.Check) bool {
	h := c.HTTP
	return h == nil || (len(h.Paths) <= 1 && h.Version != "2" && !h.FollowRedirects && h.Credential == nil && h.Proxy == 0 &&
		h.ExpectBodyRegex == "" && h.RejectBodyRegex == "" && len(h.ExpectJSON) == 0)
}

// httpExchange is such a check on the event loop.
type httpExchange struct {
	job     healthcheck.Job
	begun   time.Time
	set     healthcheck.HTTP
	request []byte
	answer  httpAnswer
	err     error
}

// httpExchanges are at rest, with the space that their texts took.
var httpExchanges = sync.Pool{New: func() any { return new(httpExchange) }}

func newHTTPExchange(j healthcheck.Job) *httpExchange {
	x := httpExchanges.Get().(*httpExchange)
	x.job, x.begun, x.set, x.err = j, time.Now(), settings(j.Check), nil
	x.answer.reset(&x.set)
	return x
}

func (x *httpExchange) Connected(time.Duration) []byte {
	x.request = request(x.request[:0], x.job.Check, &x.set, x.set.Paths[0], "")
	return x.request
}

func (x *httpExchange) Received(b []byte, end bool) bool {
	var done bool
	done, x.err = x.answer.feed(b, end)
	return done || x.err != nil
}

func (x *httpExchange) Ended(phase loop.Phase, lost bool, err error) {
	c := x.job.Check
	doing := "connecting"
	switch {
	case phase == loop.Sending:
		doing = "sending the request"
	case phase == loop.Receiving:
		doing = reading(&x.answer)
	}
	if err == nil {
		err = x.err
	}
	if err == nil {
		err = judgeAnswer(context.Background(), &x.set, x.set.Paths[0], &x.answer.answer)
	}
	r := pass()
	if err != nil {
		r = conceal(judgedLate(failedBy(c, doing, err), lost), secretsSent(&x.set, "")...)
	}
	r.Latency = time.Since(x.begun)
	report := x.job.Report
	x.job, x.set, x.answer.h = healthcheck.Job{}, healthcheck.HTTP{}, nil
	if cap(x.answer.body.Bytes) <= bodyKept {
		httpExchanges.Put(x)
	}
	report(r)
}

// bodyKept is the longest body whose space is kept for other answers.
const bodyKept = 16 << 10

// reading says how far an answer got.
func reading(a *httpAnswer) string {
	if a.Status == 0 {
		return "waiting for the answer"
	}
	return "reading the answer"
}

// web is an http or https check with everything.
func web(ctx context.Context, c *healthcheck.Check) healthcheck.Result {
	h := settings(c)
	key, err := secret(h.Credential)
	if err != nil {
		return failedBy(c, "reading the credential", err)
	}
	r := askAll(ctx, c, &h, authorize(h.Credential, key))
	if r.Outcome != healthcheck.Pass {
		r = conceal(r, secretsSent(&h, key)...)
	}
	return r
}

// askAll asks for each path by a connection of its own.
func askAll(ctx context.Context, c *healthcheck.Check, h *healthcheck.HTTP, authorization string) healthcheck.Result {
	result := pass()
	for _, path := range h.Paths {
		expiry, doing, err := askPath(ctx, c, h, path, authorization)
		if !expiry.IsZero() {
			result.Expiry = expiry
		}
		if err != nil {
			expiry := result.Expiry
			result = failedBy(c, doing, err)
			result.Expiry = expiry
			return result
		}
	}
	return result
}

// exchange1 makes one request of HTTP/1 as the event loop does, on a connection of its
// own: one that the loop cannot have, for TLS, or for what is read or judged besides.
func exchange1(ctx context.Context, c *healthcheck.Check, h *healthcheck.HTTP, path, authorization string) (*answer, time.Time, string, error) {
	conn, expiry, doing, err := open(ctx, c, h.Proxy, c.Type == healthcheck.TypeHTTPS, tlsWants{name: hostName(h.Host)})
	if err != nil {
		return nil, expiry, doing, err
	}
	defer conn.Close()
	if _, err := conn.Write(request(nil, c, h, path, authorization)); err != nil {
		return nil, expiry, "sending the request", err
	}
	var a httpAnswer
	a.reset(h)
	buf := make([]byte, 16<<10)
	for {
		n, err := conn.Read(buf)
		done, bad := a.feed(buf[:n], errors.Is(err, io.EOF))
		switch {
		case bad != nil:
			return nil, expiry, reading(&a), bad
		case done:
			return &a.answer, expiry, "", nil
		case err != nil:
			return nil, expiry, reading(&a), err
		}
	}
}

// hostName is a Host header without its port.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}
