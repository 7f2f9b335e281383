// Package http reads sources of kind http: a URL that answers in the form of Prometheus'
// http_sd.
//
//	r := http.New(source, readFile)
//	answer := r.Read(ctx) // ends with ctx
package http

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"usher/director/discover"
	"usher/director/discover/sd"
	"usher/healthcheck"
)

// mostRedirects is how often an answer may name another place.
const mostRedirects = 3

// Reader asks the URL of one source. Its methods are called from one goroutine.
type Reader struct {
	source discover.Source
	read   ReadFile
	etag   string          // of last
	last   discover.Answer // what a "not modified" confirms
	client *http.Client
	made   []byte // the files that client was made of
}

// ReadFile gives a whole file, within bounds of size and time.
type ReadFile func(ctx context.Context, path string) ([]byte, error)

// New makes a Reader of a source of kind http, which reads certificates and tokens by read.
func New(s discover.Source, read ReadFile) *Reader { return &Reader{source: s, read: read} }

// Close gives back the connection.
func (r *Reader) Close() {
	if r.client != nil {
		r.client.CloseIdleConnections()
	}
}

// Read asks once. It ends with ctx.
func (r *Reader) Read(ctx context.Context) discover.Answer {
	a, err := r.ask(ctx)
	if err == nil {
		return a
	}
	return discover.Answer{Failure: r.failure(ctx, err)}
}

func (r *Reader) ask(ctx context.Context) (discover.Answer, error) {
	if err := r.renew(ctx); err != nil {
		return discover.Answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.source.HTTP.URL, nil)
	if err != nil {
		return discover.Answer{}, err
	}
	req.Header.Set("User-Agent", "usher")
	req.Header.Set("Accept", "application/json")
	if file := r.source.HTTP.TokenFile; file != "" {
		token, err := r.read(ctx, file)
		if err != nil {
			return discover.Answer{}, &discover.Failure{Reason: discover.ReasonUnreadable, Text: healthcheck.Printable(err.Error())}
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	if r.etag != "" {
		req.Header.Set("If-None-Match", r.etag)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return discover.Answer{}, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && r.etag != "":
		return r.last, nil
	case resp.StatusCode != http.StatusOK:
		return discover.Answer{}, &discover.Failure{Reason: discover.ReasonStatus, Text: "it answers " + healthcheck.Printable(resp.Status)}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, sd.MaxBytes+1))
	if err != nil {
		return discover.Answer{}, err
	}
	if len(body) > sd.MaxBytes {
		return discover.Answer{}, &discover.Failure{Reason: discover.ReasonTooLarge, Text: fmt.Sprintf("its answer has more than %d MiB", sd.MaxBytes>>20)}
	}
	a := sd.JSON(body)
	if r.etag = ""; a.Failure == nil && !fresh(resp.Header) {
		r.etag, r.last = resp.Header.Get("ETag"), a
	}
	return a, nil
}

// fresh says that what was sent had changed within the second before, or might have:
// servers that make their ETag of time and size (nginx does) give the next change within
// that second the same one (RFC 9110 section 8.8.2.2), and it would never be seen.
func fresh(h http.Header) bool {
	changed, err := http.ParseTime(h.Get("Last-Modified"))
	if err != nil {
		return false // the ETag is of something else
	}
	sent, err := http.ParseTime(h.Get("Date"))
	return err != nil || sent.Sub(changed) < 2*time.Second
}

// renew makes the client anew where the files that it was made of have changed.
func (r *Reader) renew(ctx context.Context) error {
	h := r.source.HTTP
	var content [3][]byte
	for i, path := range [...]string{h.CAFile, h.CertFile, h.KeyFile} {
		if path == "" {
			continue
		}
		text, err := r.read(ctx, path)
		if err != nil {
			return &discover.Failure{Reason: discover.ReasonTLS, Text: healthcheck.Printable(err.Error())}
		}
		content[i] = text
	}
	all := bytes.Join(content[:], []byte{0})
	if r.client != nil && bytes.Equal(all, r.made) {
		return nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: h.ServerName, InsecureSkipVerify: h.Insecure} //nolint:gosec // where the operator says so
	if h.CAFile != "" {
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(content[0]) {
			return &discover.Failure{Reason: discover.ReasonTLS, Text: h.CAFile + " holds no PEM certificate"}
		}
	}
	if h.CertFile != "" {
		pair, err := tls.X509KeyPair(content[1], content[2])
		if err != nil {
			return &discover.Failure{Reason: discover.ReasonTLS, Text: fmt.Sprintf("%s and %s: %v", h.CertFile, h.KeyFile, err)}
		}
		t.Certificates = []tls.Certificate{pair}
	}
	r.Close()
	r.client, r.made = &http.Client{
		Transport:     &http.Transport{TLSClientConfig: t, MaxIdleConns: 1, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: redirect,
	}, all
	return nil
}

// redirect follows a few, and none from https to http. Who asks for another host gets no
// token (net/http).
func redirect(next *http.Request, before []*http.Request) error {
	if len(before) > mostRedirects {
		return &discover.Failure{Reason: discover.ReasonStatus, Text: fmt.Sprintf("it redirects more than %d times", mostRedirects)}
	}
	if before[0].URL.Scheme == "https" && next.URL.Scheme != "https" {
		return &discover.Failure{Reason: discover.ReasonTLS, Text: "it redirects to a place without TLS"}
	}
	return nil
}

// failure gives an error its reason, without the URL, which may hold a secret.
func (r *Reader) failure(ctx context.Context, err error) *discover.Failure {
	var f *discover.Failure
	if errors.As(err, &f) {
		return f
	}
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	var timeout net.Error
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	var alert *net.OpError
	text := healthcheck.Printable(err.Error())
	switch {
	case ctx.Err() != nil || errors.As(err, &timeout) && timeout.Timeout():
		return &discover.Failure{Reason: discover.ReasonTimeout, Text: "no answer in time"}
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &invalid), errors.As(err, &verification), errors.As(err, &header),
		errors.As(err, &alert) && (alert.Op == "remote error" || alert.Op == "local error"): // as package tls names its alerts
		return &discover.Failure{Reason: discover.ReasonTLS, Text: text}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &discover.Failure{Reason: discover.ReasonMalformed, Text: "its answer ends too soon"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &discover.Failure{Reason: discover.ReasonUnreachable, Text: "connection refused"}
	}
	return &discover.Failure{Reason: discover.ReasonUnreachable, Text: text}
}
