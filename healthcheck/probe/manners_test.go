package probe_test

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"usher/healthcheck"
)

func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }

// protocol is a kind of check and a server of its kind.
type protocol struct {
	name   string
	server func(net.Conn)
	secure bool
	check  healthcheck.Check
}

// endsByClosing says that half an answer is an answer.
func (p protocol) endsByClosing() bool { return p.check.Type == healthcheck.TypeAgent }

func protocols(t *testing.T, ca *authority) []protocol {
	t.Helper()
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PROBE_TOKEN", "secret")
	trust := &healthcheck.TLS{CAFile: ca.file}
	token := &healthcheck.Credential{Scheme: "bearer", Variable: "PROBE_TOKEN"}
	secret := &healthcheck.Credential{Scheme: "basic", User: "user", File: password}
	return []protocol{
		{"tcp talk", talkServer, false, healthcheck.Check{Type: healthcheck.TypeTCP, TCP: &healthcheck.TCP{Send: "hello", Expect: "said hello"}}},
		{"tcp regex", talkServer, false, healthcheck.Check{Type: healthcheck.TypeTCP, TCP: &healthcheck.TCP{Send: "hello", Expect: "said h.*o", ExpectRegex: true}}},
		{"tcp tls", talkServer, true, healthcheck.Check{Type: healthcheck.TypeTCP, TLS: trust, TCP: &healthcheck.TCP{Send: "hello", Expect: "said hello", TLS: true}}},
		{"http", httpServer, false, healthcheck.Check{Type: healthcheck.TypeHTTP, HTTP: &healthcheck.HTTP{ExpectBody: "GET / "}}},
		{"http auth", httpServer, false, healthcheck.Check{Type: healthcheck.TypeHTTP, HTTP: &healthcheck.HTTP{Paths: []string{"/auth"}, Credential: secret}}},
		{"http bearer", httpServer, false, healthcheck.Check{Type: healthcheck.TypeHTTP, HTTP: &healthcheck.HTTP{Paths: []string{"/bearer"}, Credential: token}}},
		{"http paths", httpServer, false, healthcheck.Check{Type: healthcheck.TypeHTTP, HTTP: &healthcheck.HTTP{Paths: []string{"/a", "/b"}}}},
		{"http redirects", httpServer, false, healthcheck.Check{Type: healthcheck.TypeHTTP, HTTP: &healthcheck.HTTP{FollowRedirects: true}}},
		{"https", httpServer, true, healthcheck.Check{Type: healthcheck.TypeHTTPS, TLS: trust, HTTP: &healthcheck.HTTP{
			Paths: []string{"/json"}, ExpectJSON: []healthcheck.JSONExpect{{Path: "status.db[0]", Value: "ok"}, {Path: "status.db[1]", Value: "3"}}}}},
		{"tls", talkServer, true, healthcheck.Check{Type: healthcheck.TypeTLS, TLS: trust}},
		{"smtp", smtpServer, false, healthcheck.Check{Type: healthcheck.TypeSMTP}},
		{"redis", redisServer, false, healthcheck.Check{Type: healthcheck.TypeRedis}},
		{"redis auth", redisServer, false, healthcheck.Check{Type: healthcheck.TypeRedis, Database: &healthcheck.Database{Password: secret}}},
		{"mysql", mysqlServer, false, healthcheck.Check{Type: healthcheck.TypeMySQL, Database: &healthcheck.Database{User: "u", Database: "d", Password: secret}}},
		{"postgres", postgresServer, false, healthcheck.Check{Type: healthcheck.TypePostgres, Database: &healthcheck.Database{User: "u"}}},
		{"agent", agentServer, false, healthcheck.Check{Type: healthcheck.TypeAgent}},
		{"dns", dnsServer, false, healthcheck.Check{Type: healthcheck.TypeDNS, DNS: &healthcheck.DNS{Question: "www.example.org", Type: "A", TCP: true, Expect: []string{"192.0.2.7"}}}},
	}
}

// TestEveryProtocolWithEveryManner: good servers pass, bad ones fail, and every probe
// ends within its timeout with nothing left.
func TestEveryProtocolWithEveryManner(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue(t, "127.0.0.1", time.Hour)
	for _, p := range protocols(t, ca) {
		for _, m := range []struct {
			name string
			manners
			timeout time.Duration
			outcome healthcheck.Outcome
		}{
			{"good", good, 30 * time.Second, healthcheck.Pass},
			{"silent", silent, 300 * time.Millisecond, healthcheck.Fail},
			{"dripping", dripping, 300 * time.Millisecond, healthcheck.Fail},
			{"cut off", cut, 30 * time.Second, healthcheck.Fail},
			{"babbling", babbling, 30 * time.Second, healthcheck.Fail},
		} {
			t.Run(p.name+" "+m.name, func(t *testing.T) {
				place := serve(t, func(conn net.Conn) {
					conn = m.manners(conn)
					if p.secure {
						conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}})
						if conn.(*tls.Conn).Handshake() != nil {
							return
						}
					}
					p.server(conn)
				})
				c := p.check
				c.Address, c.Interval, c.Timeout = place.Address, place.Interval, m.timeout
				if p.endsByClosing() && m.name == "cut off" {
					m.outcome = healthcheck.Pass
				}
				if p.check.Type == healthcheck.TypeAgent && (m.name == "silent" || m.name == "dripping") {
					m.outcome = healthcheck.Inconclusive // an agent that does not answer is no failure
				}
				r := run(t, c)
				t.Logf("%s in %s: %s", r.Outcome, r.Latency.Round(time.Millisecond), r.Reason)
				if r.Outcome != m.outcome {
					t.Errorf("%s (%s), want %s", r.Outcome, r.Reason, m.outcome)
				}
				if r.Outcome == healthcheck.Fail && len(r.Reason) < 10 {
					t.Errorf("reason %q tells a person too little", r.Reason)
				}
			})
		}
	}
}

func TestHTTP2AndGRPCWithEveryManner(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue(t, "127.0.0.1", time.Hour)
	trust := &healthcheck.TLS{CAFile: ca.file}
	for _, p := range []struct {
		name string
		cert *tls.Certificate
		healthcheck.Check
	}{
		{"h2c", nil, healthcheck.Check{Type: healthcheck.TypeHTTP, HTTP: &healthcheck.HTTP{Version: "2", ExpectBody: "two"}}},
		{"h2", &cert, healthcheck.Check{Type: healthcheck.TypeHTTPS, TLS: trust, HTTP: &healthcheck.HTTP{Version: "2", ExpectBody: "two"}}},
		{"grpc", nil, healthcheck.Check{Type: healthcheck.TypeGRPC}},
		{"grpcs", &cert, healthcheck.Check{Type: healthcheck.TypeGRPC, TLS: trust, GRPC: &healthcheck.GRPC{UseTLS: true}}},
	} {
		for _, m := range []struct {
			name string
			manners
			timeout time.Duration
			outcome healthcheck.Outcome
		}{
			{"good", good, 30 * time.Second, healthcheck.Pass},
			{"silent", silent, 300 * time.Millisecond, healthcheck.Fail},
			{"dripping", dripping, 300 * time.Millisecond, healthcheck.Fail},
			{"cut off", cut, 30 * time.Second, healthcheck.Fail},
			{"babbling", babbling, 30 * time.Second, healthcheck.Fail},
		} {
			t.Run(p.name+" "+m.name, func(t *testing.T) {
				place := h2Server(t, p.cert, m.manners)
				c := p.Check
				c.Address, c.Interval, c.Timeout = place.Address, place.Interval, m.timeout
				r := run(t, c)
				t.Logf("%s: %s", r.Outcome, r.Reason)
				if r.Outcome != m.outcome {
					t.Errorf("%s (%s), want %s", r.Outcome, r.Reason, m.outcome)
				}
			})
		}
	}
}
