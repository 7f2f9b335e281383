package probe

import (
	"context"
	"errors"
	"io"
	"net"
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
	x.answer = httpAnswer{
		head: x.set.Method == "HEAD", keep: x.set.LooksAtBody(),
		Body: x.answer.Body[:0], line: x.answer.line[:0],
	}
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
		err = judgeAnswer(context.Background(), &x.set, x.set.Paths[0], x.answer.Status, x.answer.Body, x.answer.Cut)
	}
	r := pass()
	if err != nil {
		r = conceal(judgedLate(broken(c, doing, err), lost), secretsSent(&x.set, "")...)
	}
	r.Latency = time.Since(x.begun)
	report := x.job.Report
	x.job, x.set = healthcheck.Job{}, healthcheck.HTTP{}
	if cap(x.answer.Body) <= bodyKept {
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
		return broken(c, "reading the credential", err)
	}
	r := askAll(ctx, c, &h, authorize(h.Credential, key))
	if r.Outcome != healthcheck.Pass {
		r = conceal(r, secretsSent(&h, key)...)
	}
	return r
}

// askAll asks for each path by a connection of its own.
func askAll(ctx context.Context, c *healthcheck.Check, h *healthcheck.HTTP, authorization string) healthcheck.Result {
	ask := askOne
	if h.Version == "2" || h.FollowRedirects {
		ask = askClient
	}
	result := pass()
	for _, path := range h.Paths {
		expiry, doing, err := ask(ctx, c, h, path, authorization)
		if !expiry.IsZero() {
			result.Expiry = expiry
		}
		if err != nil {
			expiry := result.Expiry
			result = broken(c, doing, err)
			result.Expiry = expiry
			return result
		}
	}
	return result
}

// askOne makes one request of HTTP/1 and judges the answer.
func askOne(ctx context.Context, c *healthcheck.Check, h *healthcheck.HTTP, path, authorization string) (time.Time, string, error) {
	conn, expiry, doing, err := openWeb(ctx, c, h)
	if err != nil {
		return expiry, doing, err
	}
	defer conn.Close()
	if _, err := conn.Write(request(nil, c, h, path, authorization)); err != nil {
		return expiry, "sending the request", err
	}
	answer := httpAnswer{head: h.Method == "HEAD", keep: h.LooksAtBody()}
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		end := errors.Is(err, io.EOF)
		done, bad := answer.feed(buf[:n], end)
		switch {
		case bad != nil:
			return expiry, reading(&answer), bad
		case done:
			return expiry, "judging the answer", judgeAnswer(ctx, h, path, answer.Status, answer.Body, answer.Cut)
		case err != nil:
			return expiry, reading(&answer), err
		}
	}
}

// openWeb opens the connection of a request.
func openWeb(ctx context.Context, c *healthcheck.Check, h *healthcheck.HTTP) (net.Conn, time.Time, string, error) {
	conn, _, doing, err := open(ctx, c, h.Proxy, false)
	if err != nil || c.Type != healthcheck.TypeHTTPS {
		return conn, time.Time{}, doing, err
	}
	client, expiry, err := shake(ctx, conn, c, hostName(h.Host))
	if err != nil {
		conn.Close()
		return nil, expiry, "in the TLS handshake", err
	}
	return client, expiry, "", nil
}

// hostName is a Host header without its port.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}
