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
	"sync"
	"time"

	"usher/healthcheck"
)

// redirectsMost is how many redirects are followed.
const redirectsMost = 10

// webClient is net/http for one probe: HTTP/2, and redirects. Whatever host a
// redirect names, the connection goes to the check's address: it is this server
// that is looked at.
type webClient struct {
	client    http.Client
	transport *http.Transport

	// The transport dials in a goroutine of its own, which may go on a little after
	// a request was given up.
	mu     sync.Mutex
	expiry time.Time // of the server's certificate
	doing  string
}

func (w *webClient) saw(expiry time.Time) {
	w.mu.Lock()
	w.expiry = expiry
	w.mu.Unlock()
}

func (w *webClient) does(what string) {
	w.mu.Lock()
	w.doing = what
	w.mu.Unlock()
}

// progress is the certificate's end, and what was being done last.
func (w *webClient) progress() (time.Time, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.expiry, w.doing
}

func newWebClient(c *healthcheck.Check, version string, proxy int, name string) (*webClient, error) {
	w := &webClient{doing: "connecting"}
	config, err := tlsConfig(c, name, w.saw)
	if err != nil {
		return nil, err
	}
	config.NextProtos = nil // the transport's own
	var protocols http.Protocols
	if version == "2" {
		protocols.SetHTTP2(true)
		protocols.SetUnencryptedHTTP2(true)
	} else {
		protocols.SetHTTP1(true)
	}
	w.transport = &http.Transport{
		DisableKeepAlives: true,
		Protocols:         &protocols,
		TLSClientConfig:   config,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, _, what, err := open(ctx, c, proxy, false)
			if err != nil {
				w.does(what)
				return nil, err
			}
			w.does("waiting for the answer")
			return conn, nil
		},
	}
	w.client.Transport = w.transport
	w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return w, nil
}

func (w *webClient) close() { w.transport.CloseIdleConnections() }

// do makes a request. Its errors come without the URL that net/http puts before them.
func (w *webClient) do(req *http.Request) (*http.Response, error) {
	answer, err := w.client.Do(req)
	if err == nil {
		return answer, nil
	}
	var refused *tls.CertificateVerificationError
	if errors.As(err, &refused) {
		w.does("in the TLS handshake")
	}
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	return nil, err
}

// askClient makes one request by net/http and judges the answer.
func askClient(ctx context.Context, c *healthcheck.Check, h *healthcheck.HTTP, path, authorization string) (time.Time, string, error) {
	w, err := newWebClient(c, h.Version, h.Proxy, hostName(h.Host))
	if err != nil {
		return time.Time{}, "", err
	}
	defer w.close()
	if h.FollowRedirects {
		w.client.CheckRedirect = func(_ *http.Request, via []*http.Request) error {
			if len(via) >= redirectsMost {
				return judge("%s: more than %d redirects", path, redirectsMost)
			}
			return nil
		}
	}
	scheme := "http://"
	if c.Type == healthcheck.TypeHTTPS {
		scheme = "https://"
	}
	req, err := http.NewRequestWithContext(ctx, h.Method, scheme+target(c).String()+path, strings.NewReader(h.Body))
	if err != nil {
		return time.Time{}, "", mine("path: %v", err)
	}
	req.Host = host(c)
	req.Header.Set("User-Agent", userAgent)
	for _, x := range h.Headers {
		req.Header.Add(x.Name, x.Value)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	answer, err := w.do(req)
	expiry, doing := w.progress()
	if err != nil {
		return expiry, doing, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, answerMost+1))
	if err != nil {
		return expiry, "reading the answer", err
	}
	cut := len(body) > answerMost
	return expiry, "judging the answer", judgeAnswer(ctx, h, path, answer.StatusCode, body[:min(len(body), answerMost)], cut)
}
