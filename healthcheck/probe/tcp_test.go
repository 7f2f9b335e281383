package probe_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"usher/healthcheck"
)

// serve answers each connection to a listener of its own, until the test ends.
func serve(t *testing.T, answer func(net.Conn)) healthcheck.Check {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns = make(chan net.Conn, 100)
	t.Cleanup(func() { l.Close() })
	go func() {
		defer close(conns)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				answer(conn)
			}()
		}
	}()
	return healthcheck.Check{Address: addr(l.Addr().String()), Interval: time.Second, Timeout: 30 * time.Second}
}

func expect(t *testing.T, r healthcheck.Result, outcome healthcheck.Outcome, words string) {
	t.Helper()
	if r.Outcome != outcome || !strings.Contains(r.Reason, words) {
		t.Errorf("got %s %q, want %s with %q", r.Outcome, r.Reason, outcome, words)
	}
	if r.Outcome == healthcheck.Pass && r.Latency <= 0 {
		t.Errorf("a pass without a latency")
	}
}

func TestTCPConnect(t *testing.T) {
	c := serve(t, func(net.Conn) {})
	c.Type = healthcheck.TypeTCP
	expect(t, run(t, c), healthcheck.Pass, "")
	c.TCP = &healthcheck.TCP{FullConnect: true}
	expect(t, run(t, c), healthcheck.Pass, "")
	c.Address = addr("127.0.0.1:1")
	expect(t, run(t, c), healthcheck.Fail, "connection refused: nothing listens on 127.0.0.1:1")
}

func TestHTTPOnTheLoop(t *testing.T) {
	c := serve(t, func(conn net.Conn) {
		conn.Read(make([]byte, 4096))
		conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	})
	c.Type = healthcheck.TypeHTTP
	expect(t, run(t, c), healthcheck.Pass, "")
	c.HTTP = &healthcheck.HTTP{ExpectStatus: []healthcheck.StatusRange{{From: 404, To: 404}}}
	expect(t, run(t, c), healthcheck.Fail, "GET / answered status 200, want 404")
}
