package native

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"usher/healthcheck"
	"usher/test/lab/labtest"
)

// smtpServer speaks without TLS: that of Debian 12's OpenSMTPD, which signs in another
// process in a way that OpenSSL 3 no longer has, ends every client's handshake with an
// internal error, openssl's own too. startTLSServer has TLS.
func smtpServer(t *testing.T) (*server, []healthcheck.Check, []badCheck) {
	dir, port := openDir(t), freePort(t)
	conf := filepath.Join(dir, "smtpd.conf")
	labtest.Must(t, os.WriteFile(conf, fmt.Appendf(nil, `
listen on 127.0.0.1 port %d hostname mail.example.org
action "drop" relay
match from local for domain "nosuch.example" action "drop"
`, port), 0o600))
	smtp := func(s healthcheck.SMTP) healthcheck.Check {
		c := at(healthcheck.TypeSMTP, port)
		c.SMTP = &s
		return c
	}
	good := smtp(healthcheck.SMTP{HELO: "probe.example.org"})
	return startServer(t, "", good, "smtpd", "-d", "-f", conf), []healthcheck.Check{good}, []badCheck{
		{smtp(healthcheck.SMTP{StartTLS: true}), "the server does not offer STARTTLS"},
	}
}

// startTLSServer is Python's SMTP server, which speaks OpenSSL's TLS.
func startTLSServer(t *testing.T) (*server, []healthcheck.Check, []badCheck) {
	port := freePort(t)
	cert, key := certificate(t, "mail.example.org", time.Hour)
	smtp := func(starttls bool, tls *healthcheck.TLS) healthcheck.Check {
		c := at(healthcheck.TypeSMTP, port)
		c.SMTP, c.TLS = &healthcheck.SMTP{HELO: "probe.example.org", StartTLS: starttls}, tls
		return c
	}
	good := smtp(true, &healthcheck.TLS{CAFile: cert, ServerName: "mail.example.org"})
	s := startServer(t, "", good, "aiosmtpd", "--nosetuid", "--no-requiretls", "--listen", local(port).String(), "--tlscert", cert, "--tlskey", key)
	return s, []healthcheck.Check{good, smtp(false, nil), smtp(true, &healthcheck.TLS{Insecure: true})}, []badCheck{
		{smtp(true, &healthcheck.TLS{ServerName: "mail.example.org"}), "unknown authority"},
		{smtp(true, &healthcheck.TLS{CAFile: cert, ServerName: "www.example.org"}), "the certificate is for another name"},
	}
}
