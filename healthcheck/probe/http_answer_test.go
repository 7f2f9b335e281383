package probe_test

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"usher/healthcheck"
)

// answering sends the same answer to every request, and goes on with more of it until
// the client is gone.
func answering(t *testing.T, head, more string) (healthcheck.Check, *atomic.Int64) {
	t.Helper()
	sent := new(atomic.Int64)
	c := serve(t, func(conn net.Conn) {
		if _, err := conn.Read(make([]byte, 4096)); err != nil {
			return
		}
		io.WriteString(conn, head)
		for more != "" {
			n, err := io.WriteString(conn, more)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
		io.Copy(io.Discard, conn)
	})
	c.Type = healthcheck.TypeHTTP
	return c, sent
}

// TestBodyWithoutEnd: of an answer that does not end so much is read as may be looked
// at, and then the check knows; a status that is not wanted is enough by itself.
func TestBodyWithoutEnd(t *testing.T) {
	const text, mib = "HTTP/1.1 200 OK\r\n\r\n", 1 << 20
	piece := strings.Repeat("0123456789abcde\n", 4<<10)
	for _, tc := range []struct {
		name    string
		http    healthcheck.HTTP
		outcome healthcheck.Outcome
		words   string
		least   int64 // of the body, before the check knows
		most    int64
	}{
		{"status alone", healthcheck.HTTP{}, healthcheck.Pass, "", mib, 10 * mib},
		{"unwanted status", healthcheck.HTTP{ExpectStatus: []healthcheck.StatusRange{{From: 404, To: 404}}}, healthcheck.Fail, "answered status 200, want 404", 0, 10 * mib},
		{"text there", healthcheck.HTTP{ExpectBody: "abcde\n012"}, healthcheck.Pass, "", 0, 10 * mib},
		{"text not there", healthcheck.HTTP{ExpectBody: "nowhere"}, healthcheck.Fail, "only its first 1048576 bytes were looked at", mib, 10 * mib},
		{"pattern there", healthcheck.HTTP{ExpectBodyRegex: "e\n0"}, healthcheck.Pass, "", 0, 10 * mib},
		{"an end that is none", healthcheck.HTTP{ExpectBodyRegex: `bcde\n$`}, healthcheck.Fail, "does not match", mib, 10 * mib},
		{"JSON", healthcheck.HTTP{ExpectJSON: []healthcheck.JSONExpect{{Path: "a", Value: "b"}}}, healthcheck.Fail,
			"the body of / is longer than 1048576 bytes, the most that expect_json looks at", mib, 10 * mib},
		{"digest", healthcheck.HTTP{ExpectBodyMD5: strings.Repeat("0", 32)}, healthcheck.Fail,
			"the body of / is longer than 16777216 bytes, the most that a digest is made of", 16 * mib, 26 * mib},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, sent := answering(t, text, piece)
			c.HTTP = &tc.http
			expect(t, run(t, c), tc.outcome, tc.words)
			// What the sockets hold comes on top.
			if n := sent.Load(); n < tc.least || n > tc.most {
				t.Errorf("the server sent %d bytes, want %d to %d", n, tc.least, tc.most)
			}
		})
	}
	c, sent := answering(t, "", piece)
	c.Type = healthcheck.TypeTCP
	for expects, outcome := range map[string]healthcheck.Outcome{"e\n0": healthcheck.Pass, "nowhere": healthcheck.Fail} {
		for _, regex := range []bool{false, true} {
			sent.Store(0)
			c.TCP = &healthcheck.TCP{Send: "x", Expect: expects, ExpectRegex: regex}
			r := run(t, c)
			if n := sent.Load(); r.Outcome != outcome || n > 10*mib {
				t.Errorf("tcp, %q: %s %q after %d bytes", expects, r.Outcome, r.Reason, n)
			}
		}
	}
}

// TestDigestOfALongBody: a digest is made of all of the body, also of what is too long
// to be looked at.
func TestDigestOfALongBody(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 200<<10)
	m, s := md5.Sum([]byte(body)), sha256.Sum256([]byte(body))
	c, _ := answering(t, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body), "")
	c.HTTP = &healthcheck.HTTP{ExpectBodyMD5: hex.EncodeToString(m[:]), ExpectBodySHA256: hex.EncodeToString(s[:]), ExpectBody: "9abc"}
	expect(t, run(t, c), healthcheck.Pass, "")
}

// TestAnswerAsTheStandardHasIt: header lines that go on in the next, lengths and codings
// in lists, a byte order mark, names with dots.
func TestAnswerAsTheStandardHasIt(t *testing.T) {
	for _, tc := range []struct {
		name, answer string
		http         healthcheck.HTTP
		outcome      healthcheck.Outcome
		words        string
	}{
		{"folded header", "HTTP/1.1 200 OK\r\nX-Long: a\r\n b: c\r\n\td\r\nContent-Length:\r\n 2\r\n\r\nok", healthcheck.HTTP{ExpectBody: "ok"}, healthcheck.Pass, ""},
		{"folded coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip,\r\n chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", healthcheck.HTTP{ExpectBody: "ok"}, healthcheck.Pass, ""},
		{"the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\nok", healthcheck.HTTP{}, healthcheck.Pass, ""},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", healthcheck.HTTP{}, healthcheck.Fail, "the answer has two lengths, 2 and 3"},
		{"byte order mark", "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n\ufeff{\"a.b\":[3]}", healthcheck.HTTP{
			ExpectJSON: []healthcheck.JSONExpect{{Path: `["a.b"][0]`, Value: "3"}}}, healthcheck.Pass, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := answering(t, tc.answer, "")
			c.HTTP = &tc.http
			expect(t, run(t, c), tc.outcome, tc.words)
		})
	}
}

// TestNothingButHTTP2: a check that is to speak HTTP/2 does not pass with another
// version, over TLS or without.
func TestNothingButHTTP2(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue(t, "127.0.0.1", time.Hour)
	for _, tc := range []struct {
		protocols []string
		outcome   healthcheck.Outcome
		words     string
	}{
		{nil, healthcheck.Fail, "the server does not know ALPN, so it cannot agree on h2"},
		{[]string{"http/1.1"}, healthcheck.Fail, "no application protocol"},
	} {
		c := secureServer(t, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: tc.protocols})
		for _, kind := range []healthcheck.Type{healthcheck.TypeHTTPS, healthcheck.TypeGRPC} {
			c.Type, c.TLS = kind, &healthcheck.TLS{CAFile: ca.file}
			c.HTTP, c.GRPC = &healthcheck.HTTP{Version: "2"}, &healthcheck.GRPC{UseTLS: true}
			expect(t, run(t, c), tc.outcome, tc.words)
		}
	}
	c := serve(t, httpServer)
	c.Type, c.HTTP = healthcheck.TypeHTTP, &healthcheck.HTTP{Version: "2"}
	if r := run(t, c); r.Outcome != healthcheck.Fail {
		t.Errorf("%s %q", r.Outcome, r.Reason)
	}
}
