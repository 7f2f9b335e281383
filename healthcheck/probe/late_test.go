package probe

import (
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"usher/healthcheck"
	"usher/healthcheck/probe/loop"
)

// TestFailureSeenLate: a failure counts where the probe ended at its timeout or soon
// after. Seen long after, it says that this process did not get to run; a connection that
// is refused, or a success, is one however late it is seen.
func TestFailureSeenLate(t *testing.T) {
	const timeout = time.Second
	c := &healthcheck.Check{Timeout: timeout}
	silent := failedBy(c, "reading", loop.ErrTimeout)
	for _, tc := range []struct {
		took   time.Duration
		result healthcheck.Result
		want   healthcheck.Outcome
	}{
		{timeout / 10, silent, healthcheck.Fail},
		{timeout, silent, healthcheck.Fail},
		{timeout * 14 / 10, silent, healthcheck.Fail},
		{timeout * 16 / 10, silent, healthcheck.Inconclusive},
		{timeout * 100, silent, healthcheck.Inconclusive},
		{timeout * 100, failedBy(c, "reading", io.EOF), healthcheck.Inconclusive},
		{timeout * 100, failedBy(c, "connecting", syscall.ECONNREFUSED), healthcheck.Fail},
		{timeout * 100, pass(), healthcheck.Pass},
	} {
		synctest.Test(t, func(t *testing.T) {
			probe := func(context.Context, *healthcheck.Check) healthcheck.Result {
				time.Sleep(tc.took)
				return tc.result
			}
			r := run(t.Context(), probe, healthcheck.Job{Check: c})
			if late := strings.HasPrefix(r.Reason, tooLate); r.Outcome != tc.want || late != (tc.want == healthcheck.Inconclusive) || r.Latency != tc.took {
				t.Errorf("%+v after %s is %+v", tc.result, tc.took, r)
			}
		})
	}
}

// TestAllowed: a probe's context is like any with a timeout, and so are those made of
// it: libraries make some.
func TestAllowed(t *testing.T) {
	for name, want := range map[string]error{"over": context.DeadlineExceeded, "parent ended": context.Canceled, "stopped": context.Canceled} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				type key struct{}
				parent, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
				defer cancel()
				begun := time.Now()
				ctx := allow(parent, time.Second)
				child, end := context.WithCancel(ctx)
				defer end()
				if ctx.Err() != nil || child.Err() != nil || child.Value(key{}) != "value" {
					t.Errorf("at first: %v, %v, %v", ctx.Err(), child.Err(), child.Value(key{}))
				}
				took := time.Second
				if errors.Is(want, context.Canceled) {
					took /= 2
					time.Sleep(took)
					if name == "stopped" {
						ctx.stop()
					} else {
						cancel()
					}
				}
				<-child.Done()
				if since := time.Since(begun); since != took {
					t.Errorf("ended after %s, want %s", since, took)
				}
				for _, c := range []context.Context{ctx, child} {
					if !errors.Is(c.Err(), want) || !errors.Is(context.Cause(c), want) {
						t.Errorf("ended with %v, %v; want %v", c.Err(), context.Cause(c), want)
					}
				}
				if ctx.stop() {
					t.Error("time was lost")
				}
			})
		})
	}
}
