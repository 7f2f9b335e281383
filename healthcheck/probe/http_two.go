package probe

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"usher/healthcheck"
)

// two is the name of HTTP/2 in ALPN (RFC 9113 section 3.2).
const two = "h2"

// openTwo opens a connection for one request of HTTP/2. What net/http has for requests
// in general connects again where a server refuses one (REFUSED_STREAM, GOAWAY), and
// again, as fast as it can: a probe asks once.
func openTwo(ctx context.Context, c *healthcheck.Check, proxy int, secure bool, name string) (_ *http.ClientConn, expiry time.Time, doing string, _ error) {
	conn, expiry, doing, err := open(ctx, c, proxy, secure, tlsWants{name: name, protocol: two})
	if err != nil {
		return nil, expiry, doing, err
	}
	give := func(context.Context, string, string) (net.Conn, error) { return conn, nil }
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols, DialContext: give, DialTLSContext: give, DisableCompression: true}
	client, err := transport.NewClientConn(ctx, scheme(secure), target(c).String())
	if err != nil {
		conn.Close()
		return nil, expiry, "beginning with HTTP/2", err
	}
	return client, expiry, "", nil
}

func scheme(secure bool) string {
	if secure {
		return "https"
	}
	return "http"
}

// exchange2 makes one request over HTTP/2.
func exchange2(ctx context.Context, c *healthcheck.Check, h *healthcheck.HTTP, path, authorization string) (*answer, time.Time, string, error) {
	secure := c.Type == healthcheck.TypeHTTPS
	to, err := url.ParseRequestURI(requestTarget(path))
	if err != nil {
		return nil, time.Time{}, "", ownFault("path: %v", err)
	}
	to.Scheme, to.Host = scheme(secure), target(c).String()
	req, err := http.NewRequestWithContext(ctx, h.Method, "", strings.NewReader(h.Body))
	if err != nil {
		return nil, time.Time{}, "", ownFault("%v", err)
	}
	req.URL, req.Host = to, host(c, h)
	fields(h, authorization, func(name, value string) { req.Header.Add(name, value) })
	client, expiry, doing, err := openTwo(ctx, c, h.Proxy, secure, hostName(h.Host))
	if err != nil {
		return nil, expiry, doing, err
	}
	defer client.Close()
	got, err := client.RoundTrip(req)
	if err != nil {
		return nil, expiry, "waiting for the answer", err
	}
	defer got.Body.Close()
	a := &answer{Status: got.StatusCode, Location: got.Header.Get("Location"), body: bodyFor(h, nil)}
	if !wantsBody(h, a.Status) {
		return a, expiry, "", nil
	}
	if _, err := io.Copy(&a.body, io.LimitReader(got.Body, a.body.most()+1)); err != nil {
		return nil, expiry, "reading the answer", err
	}
	return a, expiry, "", nil
}
