package probe_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"usher/healthcheck"
)

// h2Server serves HTTP/2 and gRPC's health protocol, with TLS if there is a certificate.
func h2Server(t *testing.T, cert *tls.Certificate, wrap manners) healthcheck.Check {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	under := wrapListener{l, wrap}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	protocols.SetHTTP2(true)
	server := &http.Server{Protocols: &protocols, Handler: http.HandlerFunc(h2Handler), ErrorLog: quietLog()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if cert != nil {
			server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*cert}}
			server.ServeTLS(under, "", "")
			return
		}
		server.Serve(under)
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return healthcheck.Check{Address: addr(l.Addr().String()), Interval: time.Second, Timeout: 30 * time.Second}
}

func h2Handler(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor != 2 {
		w.WriteHeader(http.StatusHTTPVersionNotSupported)
		return
	}
	if r.Header.Get("Content-Type") != "application/grpc" {
		io.WriteString(w, "two")
		return
	}
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
	switch {
	case len(body) == 5:
		w.Write([]byte{0, 0, 0, 0, 2, 8, 1})
		w.Header().Set("Grpc-Status", "0")
	case strings.Contains(string(body), "sick"):
		w.Write([]byte{0, 0, 0, 0, 2, 8, 2})
		w.Header().Set("Grpc-Status", "0")
	default:
		w.Header().Set("Grpc-Status", "5")
		w.Header().Set("Grpc-Message", "unknown service")
	}
}

type wrapListener struct {
	net.Listener
	wrap manners
}

func (w wrapListener) Accept() (net.Conn, error) {
	conn, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return w.wrap(conn), nil
}
