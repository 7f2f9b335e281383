package probe

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"usher/healthcheck"
)

// TestPatternOfAWholeAnswer: a pattern that asks for an end waits for it: until the
// server closes the connection, says more, or has said nothing more when the time is over.
func TestPatternOfAWholeAnswer(t *testing.T) {
	for _, tc := range []struct {
		name    string
		pieces  []string
		closes  bool
		pattern string
		outcome healthcheck.Outcome
		took    time.Duration
	}{
		{"more follows", []string{"role:slave", "_expects_full_resync"}, false, "slave$", healthcheck.Fail, time.Second},
		{"closed", []string{"role:slave"}, true, "slave$", healthcheck.Pass, 0},
		{"nothing more", []string{"role:slave"}, false, "slave$", healthcheck.Pass, time.Second},
		{"line's end", []string{"role:slave", "\n"}, false, "(?m)slave$", healthcheck.Pass, 100 * time.Millisecond},
		{"no end asked for", []string{"role:slave"}, false, "slave", healthcheck.Pass, 0},
		{"in two pieces", []string{"role:sla", "ve"}, false, "slave", healthcheck.Pass, 100 * time.Millisecond},
		{"nothing at all", nil, false, "x?$", healthcheck.Fail, time.Second},
		{"closed without a word", nil, true, "x?$", healthcheck.Fail, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			server, client := net.Pipe()
			defer server.Close()
			go func() {
				io.ReadFull(server, make([]byte, 1))
				for i, piece := range tc.pieces {
					if i > 0 {
						time.Sleep(100 * time.Millisecond)
					}
					io.WriteString(server, piece)
				}
				if tc.closes {
					server.Close()
				}
			}()
			begun := time.Now()
			conn := tied(ctx, client)
			defer conn.Close()
			r := talk(ctx, conn, &healthcheck.Check{Timeout: time.Second}, healthcheck.TCP{Send: "x", Expect: tc.pattern, ExpectRegex: true})
			if took := time.Since(begun); r.Outcome != tc.outcome || took != tc.took {
				t.Errorf("%s: %s %q in %s, want %s in %s", tc.name, r.Outcome, r.Reason, took, tc.outcome, tc.took)
			}
		})
	}
}
