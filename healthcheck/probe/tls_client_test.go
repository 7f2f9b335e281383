package probe_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"usher/healthcheck"
)

// TestClientCertificateRefused: a server that does not want our certificate, or wants one
// and gets none, has said no to every check over TLS, in every version; one that takes it,
// or does not ask, holds up none. In TLS 1.3 it says so after the handshake.
func TestClientCertificateRefused(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	pair := func(a *authority) (certFile, keyFile string) {
		own := a.issue(t, "probe.example.org", time.Hour)
		key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		certFile, keyFile = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
		writePEM(t, certFile, "CERTIFICATE", own.Certificate[0])
		writePEM(t, keyFile, "PRIVATE KEY", key)
		return certFile, keyFile
	}
	good, goodKey := pair(ca)
	bad, badKey := pair(other)
	none := healthcheck.TLS{CAFile: ca.file}
	right := healthcheck.TLS{CAFile: ca.file, CertFile: good, KeyFile: goodKey}
	wrong := healthcheck.TLS{CAFile: ca.file, CertFile: bad, KeyFile: badKey}
	mute := func(net.Conn) {}
	const bound = time.Second // a tenth of the timeout
	for _, server := range []struct {
		name    string
		auth    tls.ClientAuthType
		tickets bool
		talk    func(net.Conn) // after the handshake
		atOnce  bool           // those that are content are known to be
	}{
		{"asks, and gives tickets", tls.RequireAndVerifyClientCert, true, mute, true},
		{"asks, and closes when told", tls.RequireAndVerifyClientCert, false, func(c net.Conn) {
			io.Copy(io.Discard, c)
			c.Close()
		}, true},
		{"asks, and speaks", tls.RequireAndVerifyClientCert, false, func(c net.Conn) {
			io.WriteString(c, "hello")
		}, true},
		{"asks, and says nothing", tls.RequireAndVerifyClientCert, false, mute, false},
		{"does not ask", tls.NoClientCert, false, mute, true},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			for _, c := range []healthcheck.Check{
				{Type: healthcheck.TypeTLS},
				{Type: healthcheck.TypeTCP, TCP: &healthcheck.TCP{TLS: true}},
				{Type: healthcheck.TypeTCP, TCP: &healthcheck.TCP{TLS: true, Send: "hello"}},
			} {
				place := serve(t, func(conn net.Conn) {
					s := tls.Server(conn, &tls.Config{
						Certificates: []tls.Certificate{ca.issue(t, "127.0.0.1", time.Hour)}, ClientAuth: server.auth, ClientCAs: pool,
						MaxVersion: version, SessionTicketsDisabled: !server.tickets,
					})
					if s.Handshake() == nil {
						server.talk(s)
						io.Copy(io.Discard, conn) // deaf to what is said within TLS
					}
				})
				c.Address, c.Timeout = place.Address, 10*bound
				name := server.name + ", " + tls.VersionName(version) + ", " + string(c.Type)
				for what, with := range map[string]*healthcheck.TLS{"none": &none, "right": &right, "wrong": &wrong} {
					c.TLS = with
					r := runAll(t, c)[0]
					want := healthcheck.Pass
					if server.auth != tls.NoClientCert && what != "right" {
						want = healthcheck.Fail
					}
					if r.Outcome != want {
						t.Errorf("%s, certificate %s: %s %q, want %s", name, what, r.Outcome, r.Reason, want)
					}
					if version == tls.VersionTLS12 || server.atOnce || want == healthcheck.Fail {
						if r.Latency > bound {
							t.Errorf("%s, certificate %s: %s in %s, want it at once", name, what, r.Outcome, r.Latency)
						}
					} else if r.Latency < bound {
						t.Errorf("%s, certificate %s: %s in %s, before the time for an objection was over", name, what, r.Outcome, r.Latency)
					}
				}
			}
		}
	}
}
