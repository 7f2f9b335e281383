package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"usher/healthcheck"
)

// redirectsMost is how many redirects are followed.
const redirectsMost = 10

// askClient makes a request by net/http: HTTP/2, and redirects. Whatever host a
// redirect names, the connection goes to the check's address: it is this server
// that is looked at.
func askClient(ctx context.Context, c *healthcheck.Check, h *healthcheck.HTTP, path, authorization string) (expiry time.Time, doing string, _ error) {
	doing = "connecting"
	var protocols http.Protocols
	if h.Version == "2" {
		protocols.SetHTTP2(true)
		protocols.SetUnencryptedHTTP2(true)
	} else {
		protocols.SetHTTP1(true)
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		Protocols:         &protocols,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, _, what, err := open(ctx, c, h.Proxy, false)
			if err != nil {
				doing = what
				return nil, err
			}
			doing = "waiting for the answer"
			return conn, nil
		},
	}
	defer transport.CloseIdleConnections()
	config, err := tlsConfig(c, hostName(h.Host), &expiry)
	if err != nil {
		return expiry, "", err
	}
	config.NextProtos = nil // the transport's own
	transport.TLSClientConfig = config
	client := http.Client{Transport: transport, CheckRedirect: func(_ *http.Request, via []*http.Request) error {
		if !h.FollowRedirects {
			return http.ErrUseLastResponse
		}
		if len(via) >= redirectsMost {
			return judge("%s: more than %d redirects", path, redirectsMost)
		}
		return nil
	}}
	scheme := "http://"
	if c.Type == healthcheck.TypeHTTPS {
		scheme = "https://"
	}
	req, err := http.NewRequestWithContext(ctx, h.Method, scheme+target(c).String()+path, strings.NewReader(h.Body))
	if err != nil {
		return expiry, "", mine("path: %v", err)
	}
	req.Host = host(c)
	req.Header.Set("User-Agent", userAgent)
	for _, x := range h.Headers {
		req.Header.Add(x.Name, x.Value)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	answer, err := client.Do(req)
	if err != nil {
		var alert *tls.CertificateVerificationError
		if errors.As(err, &alert) {
			doing = "in the TLS handshake"
		}
		return expiry, doing, cause(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, answerMost+1))
	if err != nil {
		return expiry, "reading the answer", err
	}
	cut := len(body) > answerMost
	return expiry, "", judgeAnswer(h, path, answer.StatusCode, body[:min(len(body), answerMost)], cut)
}

// cause is an error without the URL that net/http puts before it.
func cause(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err
	}
	return err
}
