package probe_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"usher/healthcheck"
)

// TestPatternThatTakesLong: a pattern that has much to do with a server's long answer
// ends with the timeout.
func TestPatternThatTakesLong(t *testing.T) {
	const pattern = "a.{1,900}b" // some 10 µs for each byte
	page := "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n" + strings.Repeat("a", 1<<20)
	server := serve(t, func(conn net.Conn) {
		conn.Read(make([]byte, 4096))
		io.WriteString(conn, page)
		io.Copy(io.Discard, conn)
	})
	for name, c := range map[string]healthcheck.Check{
		"expect_body_regex": {Type: healthcheck.TypeHTTP, HTTP: &healthcheck.HTTP{ExpectBodyRegex: pattern}},
		"reject_body_regex": {Type: healthcheck.TypeHTTP, HTTP: &healthcheck.HTTP{RejectBodyRegex: pattern}},
		"redirects":         {Type: healthcheck.TypeHTTP, HTTP: &healthcheck.HTTP{ExpectBodyRegex: pattern, FollowRedirects: true}},
	} {
		t.Run(name, func(t *testing.T) {
			c.Address, c.Timeout = server.Address, time.Second
			expect(t, run(t, c), healthcheck.Fail, "takes longer than the timeout")
		})
	}
}
