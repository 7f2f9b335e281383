package probe

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/healthcheck"
)

// TestFailureSeenLate: a failure counts where the probe ended at its timeout or soon
// after. Seen long after, it says that this process did not get to run. A success is
// one however late it is seen.
func TestFailureSeenLate(t *testing.T) {
	const timeout = time.Second
	for _, tc := range []struct {
		took    time.Duration
		outcome healthcheck.Outcome
		want    healthcheck.Outcome
	}{
		{timeout / 10, healthcheck.Fail, healthcheck.Fail},
		{timeout, healthcheck.Fail, healthcheck.Fail},
		{timeout * 14 / 10, healthcheck.Fail, healthcheck.Fail},
		{timeout * 16 / 10, healthcheck.Fail, healthcheck.Inconclusive},
		{timeout * 100, healthcheck.Fail, healthcheck.Inconclusive},
		{timeout * 100, healthcheck.Pass, healthcheck.Pass},
	} {
		synctest.Test(t, func(t *testing.T) {
			probe := func(context.Context, *healthcheck.Check) healthcheck.Result {
				time.Sleep(tc.took)
				return healthcheck.Result{Outcome: tc.outcome, Reason: "no answer"}
			}
			r := run(t.Context(), probe, healthcheck.Job{Check: &healthcheck.Check{Timeout: timeout}})
			if late := strings.HasPrefix(r.Reason, tooLate); r.Outcome != tc.want || late != (tc.want == healthcheck.Inconclusive) || r.Latency != tc.took {
				t.Errorf("%s after %s is %+v", tc.outcome, tc.took, r)
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
				if want == context.Canceled {
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
					if c.Err() != want || context.Cause(c) != want {
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
