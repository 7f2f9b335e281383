package probe_test

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/healthcheck"
)

// TestWayOfAProbe: probes leave from the address and by the interface that are given,
// those on the event loop and the others; a way that this machine does not have says
// nothing of the server.
func TestWayOfAProbe(t *testing.T) {
	talk := &healthcheck.TCP{Send: "hello", Expect: "from 127.0.0.9:"}
	for name, c := range map[string]healthcheck.Check{
		"tcp":       {Type: healthcheck.TypeTCP, TCP: talk},
		"http":      {Type: healthcheck.TypeHTTP, HTTP: &healthcheck.HTTP{ExpectBody: "from 127.0.0.9:"}},
		"http/1.0":  {Type: healthcheck.TypeHTTP, HTTP: &healthcheck.HTTP{Version: "1.0", ExpectBody: "from 127.0.0.9:"}},
		"redirects": {Type: healthcheck.TypeHTTP, HTTP: &healthcheck.HTTP{FollowRedirects: true, ExpectBody: "from 127.0.0.9:"}},
	} {
		t.Run(name, func(t *testing.T) {
			place := serve(t, func(conn net.Conn) {
				buf := make([]byte, 1024)
				n, err := conn.Read(buf)
				if err != nil {
					return
				}
				text := fmt.Sprintf("from %s\n", conn.RemoteAddr())
				if strings.HasPrefix(string(buf[:n]), "GET ") {
					text = fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
				}
				io.WriteString(conn, text)
			})
			c.Address, c.Timeout = place.Address, place.Timeout
			expect(t, run(t, c), healthcheck.Fail, "from 127.0.0.9:")
			c.Bind = netip.MustParseAddrPort("127.0.0.9:0")
			expect(t, run(t, c), healthcheck.Pass, "")
			c.Interface = "lo"
			expect(t, run(t, c), healthcheck.Pass, "")
			c.Interface = "nowhere0"
			expect(t, run(t, c), healthcheck.Inconclusive, "this machine cannot probe: no such device")
			c.Interface, c.Bind = "", netip.MustParseAddrPort("192.0.2.77:0")
			expect(t, run(t, c), healthcheck.Inconclusive, "this machine cannot probe: cannot assign requested address")
		})
	}
	c := datagrams(t, func([]byte) []byte { return []byte("hello") })
	c.Type, c.UDP, c.Interface = healthcheck.TypeUDP, &healthcheck.UDP{RequireReply: true}, "nowhere0"
	expect(t, run(t, c), healthcheck.Inconclusive, "no such device")
}

// TestRequestAsTold: method, path, host, headers and body arrive, and the digest of
// the answer's body is looked at.
func TestRequestAsTold(t *testing.T) {
	for _, version := range []string{"1.1", "redirects"} {
		t.Run(version, func(t *testing.T) {
			c := serve(t, func(conn net.Conn) {
				req, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				body, _ := io.ReadAll(req.Body)
				text := fmt.Sprintf("%s %s %s %s %s", req.Method, req.URL, req.Host, req.Header.Get("X-Probe"), body)
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
				io.Copy(io.Discard, conn)
			})
			c.Type = healthcheck.TypeHTTP
			h := healthcheck.HTTP{
				Method: "POST", Paths: []string{"/a?b=c"}, Host: "www.example.org", Body: "body",
				Headers: []healthcheck.Header{{Name: "X-Probe", Value: "yes"}}, FollowRedirects: version == "redirects",
			}
			sum := sha256.Sum256([]byte("POST /a?b=c www.example.org yes body"))
			h.ExpectBodySHA256 = strings.ToUpper(hex.EncodeToString(sum[:]))
			c.HTTP = &h
			expect(t, run(t, c), healthcheck.Pass, "")
			other := h
			other.Body = "another"
			c.HTTP = &other
			expect(t, run(t, c), healthcheck.Fail, "has SHA-256 ")
		})
	}
}

// TestClientCertificateIsShown, and the protocols of ALPN are offered.
func TestClientCertificateIsShown(t *testing.T) {
	ca := newAuthority(t)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	own := ca.issue(t, "probe.example.org", time.Hour)
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	writePEM(t, certFile, "CERTIFICATE", own.Certificate[0])
	writePEM(t, keyFile, "PRIVATE KEY", key)
	c := secureServer(t, &tls.Config{
		Certificates: []tls.Certificate{ca.issue(t, "127.0.0.1", time.Hour)}, MinVersion: tls.VersionTLS12,
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, NextProtos: []string{"imap"},
	})
	c.Type = healthcheck.TypeHTTPS
	for _, tc := range []struct {
		tls     healthcheck.TLS
		outcome healthcheck.Outcome
		words   string
	}{
		{healthcheck.TLS{CAFile: ca.file, CertFile: certFile, KeyFile: keyFile}, healthcheck.Pass, ""},
		{healthcheck.TLS{CAFile: ca.file, CertFile: certFile, KeyFile: keyFile, ALPN: []string{"imap"}}, healthcheck.Pass, ""},
		{healthcheck.TLS{CAFile: ca.file, CertFile: certFile, KeyFile: keyFile, ALPN: []string{"ftp"}}, healthcheck.Fail, "no application protocol"},
		{healthcheck.TLS{CAFile: ca.file, CertFile: certFile, KeyFile: ca.file}, healthcheck.Inconclusive, "cert_file"},
	} {
		c.TLS = &tc.tls
		expect(t, run(t, c), tc.outcome, tc.words)
	}
}
