package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/control"
	"usher/conf"
)

// Limits of the HTTP servers. Streams lift the write limit for themselves.
const (
	headerLimit = 5 * time.Second
	writeLimit  = time.Minute
	idleLimit   = 2 * time.Minute
	closeLimit  = 2 * time.Second
)

// servers are the daemon's listeners: the control socket, the read-only page, and
// remote steering where it is configured. Each is opened before anything is
// changed and serves once the start is over.
type servers struct {
	mu      sync.Mutex
	control *server
	page    *server
	remote  *server
}

// server is one listener with what it serves.
type server struct {
	listener net.Listener
	http     *http.Server
	done     chan struct{} // nil until it serves
	// credentials are those of a TLS listener, for connections to come; nil for others.
	credentials *atomic.Pointer[tls.Config]
}

func openServers(d *Daemon, g conf.Global) (*servers, error) {
	s := &servers{}
	l, err := control.Listen(g.Control)
	if err != nil {
		return nil, err
	}
	s.control = d.server(l, true)
	if s.page, err = d.openPage(g.HTTP); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.remote, err = d.openRemote(g.Remote); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (d *Daemon) openPage(address string) (*server, error) {
	if address == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("global.http: %w", err)
	}
	return d.server(l, false), nil
}

// openRemote opens remote steering: TLS, and nobody without a certificate of the
// given authority.
func (d *Daemon) openRemote(r *conf.Remote) (*server, error) {
	if r == nil {
		return nil, nil
	}
	secrets, err := credentials(r)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", r.Listen)
	if err != nil {
		return nil, fmt.Errorf("global.remote: %w", err)
	}
	present := &atomic.Pointer[tls.Config]{}
	present.Store(secrets)
	s := d.server(tls.NewListener(l, &tls.Config{
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return present.Load(), nil },
	}), true)
	s.credentials = present
	return s, nil
}

// credentials reads the certificate, its key and who is let in.
func credentials(r *conf.Remote) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(r.CertFile, r.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("global.remote: %w", err)
	}
	text, err := os.ReadFile(r.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("global.remote: %w", err)
	}
	authority := x509.NewCertPool()
	if !authority.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("global.remote: %s holds no PEM certificate", r.ClientCAFile)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authority,
		NextProtos: []string{"http/1.1"},
	}, nil
}

func (d *Daemon) server(l net.Listener, steer bool) *server {
	return &server{listener: l, http: &http.Server{
		Handler:           api.Handler(d, d.metrics.Handler(d), steer, d.opts.Pages),
		ConnContext:       control.WithPeer,
		ReadHeaderTimeout: headerLimit, ReadTimeout: writeLimit, WriteTimeout: writeLimit, IdleTimeout: idleLimit,
		ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}}
}

func (s *servers) serve(d *Daemon) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range []*server{s.control, s.page, s.remote} {
		one.serve(d)
	}
}

func (s *server) serve(d *Daemon) {
	if s == nil {
		return
	}
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		if err := s.http.Serve(s.listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
			d.log.Error("the API stopped", "address", s.listener.Addr(), "error", err)
		}
	}()
}

// close ends every server: requests under way are let finish for a moment, streams
// are cut.
func (s *servers) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.remote.close(), s.page.close(), s.control.close())
}

func (s *server) close() error {
	if s == nil {
		return nil
	}
	if s.done == nil { // it never served
		return s.listener.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	<-s.done
	return err
}
