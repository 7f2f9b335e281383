package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"usher/healthcheck/files"
	"usher/vrrp/timespan"
)

// ErrAbsent is for a daemon that does not run: nobody serves its socket or address.
var ErrAbsent = errors.New("no usher answers")

// Client speaks to a daemon.
type Client struct {
	where string // for errors: the socket's path or the URL
	base  string
	http  *http.Client

	patience time.Duration // with a document that is read
}

// patience is that of a client: a thousand times as long as a daemon takes for the
// largest document.
const patience = 30 * time.Second

// Socket is a client of the control socket at path.
func Socket(path string) *Client {
	var d net.Dialer
	return &Client{where: path, base: "http://usher", patience: patience, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", path)
		},
	}}}
}

// Remote is a client of a daemon's address for remote steering, an https URL, with
// a client certificate. caFile may be "" for the system's authorities.
func Remote(url, certFile, keyFile, caFile string) (*Client, error) {
	cert, err := files.KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("client certificate: %w", err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
	if caFile != "" {
		if config.RootCAs, err = authorities(caFile); err != nil {
			return nil, err
		}
	}
	url = strings.TrimSuffix(url, "/")
	return &Client{where: url, base: url, patience: patience, http: &http.Client{Transport: &http.Transport{TLSClientConfig: config}}}, nil
}

func authorities(file string) (*x509.CertPool, error) {
	text, err := files.Soon(file, files.Secret)
	if err != nil {
		return nil, fmt.Errorf("certificate authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("certificate authorities: %s holds no PEM certificate", file)
	}
	return pool, nil
}

// Get reads a document. A daemon that does not answer within half a minute is stuck,
// which is an error.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.patience,
		fmt.Errorf("the daemon does not answer within %s: it is stopped or stuck (systemctl status usher, journalctl -u usher)", timespan.Text(c.patience)))
	defer cancel()
	err := c.do(ctx, http.MethodGet, path, nil, out)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", c.where, context.Cause(ctx))
	}
	return err
}

// Post steers. in and out may be nil.
func (c *Client) Post(ctx context.Context, path string, in, out any) error {
	return c.do(ctx, http.MethodPost, path, in, out)
}

// Follow reads server-sent events and calls each with name and data until ctx is
// done, the daemon leaves, or each returns an error. The daemon leaving is
// io.ErrUnexpectedEOF.
func (c *Client) Follow(ctx context.Context, path string, each func(name string, data []byte) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := c.http.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return failure(resp)
	}
	in := bufio.NewReader(resp.Body)
	var name string
	for {
		line, err := in.ReadBytes('\n')
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", c.where, io.ErrUnexpectedEOF)
		}
		key, value, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(": "))
		switch string(key) {
		case "event":
			name = string(value)
		case "data":
			if err := each(name, value); err != nil {
				return err
			}
		}
	}
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", jsonMedia)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return failure(resp)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("%s: answer to %s: %w", c.where, path, err)
	}
	return nil
}

// failure is the error that a daemon's answer carries.
func failure(resp *http.Response) error {
	var f Failure
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if json.Unmarshal(body, &f) != nil || f.Error == "" {
		return fmt.Errorf("the daemon answered %s: %s", resp.Status, bytes.TrimSpace(body))
	}
	if f.Detail != "" {
		return &DetailedError{Err: errors.New(f.Error), Text: f.Detail}
	}
	return errors.New(f.Error)
}

// explain says what a failed connection means for the person who typed the command.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w at %s: is it running? (--control names another socket)", ErrAbsent, c.where)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("the control socket %s is closed to you: become root or a member of its group", c.where)
	}
	return fmt.Errorf("%s: %w", c.where, err)
}
