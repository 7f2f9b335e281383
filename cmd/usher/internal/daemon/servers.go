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
	"usher/healthcheck/files"
)

// Limits of the HTTP servers. Streams lift the write limit for themselves.
const (
	headerLimit = 5 * time.Second
	writeLimit  = time.Minute
	idleLimit   = 2 * time.Minute
	closeLimit  = 2 * time.Second
	maxHeader   = 16 << 10 // bytes
)

// servers are the daemon's listeners: the control socket, the read-only page, and
// remote steering where it is configured. Each is opened before anything is
// changed and serves once the start is over.
type servers struct {
	log     *slog.Logger
	handler func(steer bool) http.Handler
	names   func() []string // by which a browser may call the status page, beside its address

	mu      sync.Mutex
	control *server
	socket  *control.Listener // which control listens at
	page    *server
	remote  *server
}

// server is one listener with what it serves.
type server struct {
	listener net.Listener
	http     *http.Server
	guard    *api.Guard
	done     chan struct{} // nil until it serves
	// credentials are those of a TLS listener, for connections to come; nil for others.
	credentials *atomic.Pointer[tls.Config]
}

// open opens the listeners of a configuration.
func (s *servers) open(g conf.Global) error {
	l, err := control.Listen(g.Control)
	if err != nil {
		return err
	}
	s.socket = l
	s.control = s.server(l, true, &api.Guard{Answers: maxAnswers, Streams: maxStreams})
	if s.page, err = s.openPage(g.HTTP); err != nil {
		return errors.Join(err, s.close())
	}
	if s.remote, err = s.openRemote(g.Remote); err != nil {
		return errors.Join(err, s.close())
	}
	return nil
}

func (s *servers) openPage(address string) (*server, error) {
	if address == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("global.http: %w", err)
	}
	return s.server(bounded(l, refusal), false, &api.Guard{Names: s.names, Answers: maxAnswers, Streams: maxStreams}), nil
}

// openRemote opens remote steering: TLS, and nobody without a certificate of the
// given authority.
func (s *servers) openRemote(r *conf.Remote) (*server, error) {
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
	trusted := func(s *tls.ConnectionState) error { return verify(s, present.Load().ClientCAs) }
	remote := s.server(tls.NewListener(bounded(l, ""), &tls.Config{
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return present.Load(), nil },
	}), true, &api.Guard{Trusted: trusted, Answers: maxAnswers, Streams: maxStreams})
	remote.credentials = present
	return remote, nil
}

// credentials reads the certificate, its key and who is let in.
func credentials(r *conf.Remote) (*tls.Config, error) {
	cert, err := files.KeyPair(r.CertFile, r.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("global.remote: %w", err)
	}
	text, err := files.Soon(r.ClientCAFile, files.Secret)
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

// verify looks at the client's certificate once more: a connection may be older than
// the authorities, and a certificate runs out.
func verify(s *tls.ConnectionState, authorities *x509.CertPool) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("there is none")
	}
	between := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: authorities, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err
}

func (s *servers) server(l net.Listener, steer bool, guard *api.Guard) *server {
	return &server{listener: l, guard: guard, http: &http.Server{
		Handler:           guard.Wrap(s.handler(steer)),
		MaxHeaderBytes:    maxHeader,
		ConnContext:       control.WithPeer,
		ReadHeaderTimeout: headerLimit, ReadTimeout: writeLimit, WriteTimeout: writeLimit, IdleTimeout: idleLimit,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}}
}

// serve begins to answer.
func (s *servers) serve() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range []*server{s.control, s.page, s.remote} {
		one.serve(s.log)
	}
}

func (s *server) serve(log *slog.Logger) {
	if s == nil {
		return
	}
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		if err := s.http.Serve(s.listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
			log.Error("the API stopped", "address", s.listener.Addr(), "error", err)
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

// names are those by which a browser may call the status page, beside its address.
func (d *Daemon) names() []string {
	c := d.running()
	if c == nil {
		return nil
	}
	names := append([]string{c.Global.RouterID}, c.Global.HTTPHosts...)
	if host, err := os.Hostname(); err == nil {
		names = append(names, host)
	}
	return names
}
