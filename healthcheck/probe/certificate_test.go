package probe_test

import (
	"crypto/tls"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"usher/healthcheck"
)

func secureServer(t *testing.T, config *tls.Config) healthcheck.Check {
	t.Helper()
	c := serve(t, func(conn net.Conn) {
		server := tls.Server(conn, config)
		if server.Handshake() == nil {
			httpServer(server)
		}
	})
	c.Timeout = 30 * time.Second
	return c
}

func TestCertificates(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	for _, c := range []struct {
		name    string
		cert    tls.Certificate
		tls     healthcheck.TLS
		outcome healthcheck.Outcome
		words   string
	}{
		{"right", ca.issue(t, "127.0.0.1", time.Hour), healthcheck.TLS{CAFile: ca.file}, healthcheck.Pass, ""},
		{"right name", ca.issue(t, "www.example.org", time.Hour), healthcheck.TLS{CAFile: ca.file, ServerName: "www.example.org"}, healthcheck.Pass, ""},
		{"wrong name", ca.issue(t, "www.example.org", time.Hour), healthcheck.TLS{CAFile: ca.file}, healthcheck.Fail, "the certificate is for another name"},
		{"expired", ca.issue(t, "127.0.0.1", -time.Minute), healthcheck.TLS{CAFile: ca.file}, healthcheck.Fail, "not valid now"},
		{"another authority", other.issue(t, "127.0.0.1", time.Hour), healthcheck.TLS{CAFile: ca.file}, healthcheck.Fail, "unknown authority; give ca_file"},
		{"the system's authorities", ca.issue(t, "127.0.0.1", time.Hour), healthcheck.TLS{}, healthcheck.Fail, "unknown authority"},
		{"insecure", other.issue(t, "elsewhere", -time.Hour), healthcheck.TLS{Insecure: true}, healthcheck.Pass, ""},
		{"no such ca_file", ca.issue(t, "127.0.0.1", time.Hour), healthcheck.TLS{CAFile: "/nowhere"}, healthcheck.Inconclusive, "ca_file: open /nowhere"},
	} {
		for _, kind := range []healthcheck.Type{healthcheck.TypeTLS, healthcheck.TypeHTTPS} {
			t.Run(c.name+" "+string(kind), func(t *testing.T) {
				place := secureServer(t, &tls.Config{Certificates: []tls.Certificate{c.cert}})
				place.Type, place.TLS = kind, &c.tls
				r := run(t, place)
				expect(t, r, c.outcome, c.words)
				if r.Expiry.IsZero() && c.outcome != healthcheck.Inconclusive {
					t.Errorf("the certificate's end is not told")
				}
			})
		}
	}
}

// TestSystemAuthorities: without a ca_file those of the machine are trusted. A process
// reads them once, so that one of its own plays a machine that trusts the test's.
func TestSystemAuthorities(t *testing.T) {
	const server = "USHER_TEST_TLS_SERVER"
	if at := os.Getenv(server); at != "" {
		serve(t, func(net.Conn) {}) // opens the descriptors of the runtime's poller
		expect(t, run(t, healthcheck.Check{Type: healthcheck.TypeTLS, Address: addr(at), Timeout: 30 * time.Second}), healthcheck.Pass, "")
		return
	}
	ca := newAuthority(t)
	place := secureServer(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "127.0.0.1", time.Hour)}})
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSystemAuthorities$")
	cmd.Env = append(os.Environ(), server+"="+place.Address.String(), "SSL_CERT_FILE="+ca.file, "SSL_CERT_DIR="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestTLSVersions(t *testing.T) {
	ca := newAuthority(t)
	c := secureServer(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "127.0.0.1", time.Hour)}, MaxVersion: tls.VersionTLS12})
	c.Type, c.TLS = healthcheck.TypeTLS, &healthcheck.TLS{CAFile: ca.file, MinVersion: "1.3"}
	expect(t, run(t, c), healthcheck.Fail, "the server refused: tls: protocol version not supported")
	c.TLS.MinVersion = "1.2"
	expect(t, run(t, c), healthcheck.Pass, "")
}

func TestClientCertificateIsWanted(t *testing.T) {
	ca := newAuthority(t)
	c := secureServer(t, &tls.Config{
		Certificates: []tls.Certificate{ca.issue(t, "127.0.0.1", time.Hour)}, ClientAuth: tls.RequireAnyClientCert,
	})
	c.Type, c.TLS = healthcheck.TypeHTTPS, &healthcheck.TLS{CAFile: ca.file}
	expect(t, run(t, c), healthcheck.Fail, "certificate required")
}

func TestSMTPStartTLS(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue(t, "mail.example.org", time.Hour)
	c := serve(t, func(conn net.Conn) {
		conn.Write([]byte("220 mail.example.org ESMTP\r\n"))
		smtpTalk(conn, &cert)
	})
	c.Timeout, c.Type, c.SMTP = 30*time.Second, healthcheck.TypeSMTP, &healthcheck.SMTP{StartTLS: true}
	c.TLS = &healthcheck.TLS{CAFile: ca.file, ServerName: "mail.example.org"}
	r := run(t, c)
	if expect(t, r, healthcheck.Pass, ""); r.Expiry.IsZero() {
		t.Error("the certificate's end is not told")
	}
	c.TLS = &healthcheck.TLS{CAFile: ca.file}
	expect(t, run(t, c), healthcheck.Fail, "in the TLS handshake: the certificate is for another name")
}
