package probe

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/healthcheck"
	"usher/healthcheck/probe/loop"
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
			begun := time.Now()
			probe := func(ctx context.Context, _ *healthcheck.Check) healthcheck.Result {
				if until, _ := ctx.Deadline(); until.Sub(begun) != timeout {
					t.Errorf("the probe has %s of %s", until.Sub(begun), timeout)
				}
				time.Sleep(tc.took)
				return healthcheck.Result{Outcome: tc.outcome, Reason: "no answer"}
			}
			r := run(t.Context(), probe, healthcheck.Job{Check: &healthcheck.Check{Timeout: timeout}})
			if late := strings.HasPrefix(r.Reason, loop.ErrLate.Error()); r.Outcome != tc.want || late != (tc.want == healthcheck.Inconclusive) || r.Latency != tc.took {
				t.Errorf("%s after %s is %+v", tc.outcome, tc.took, r)
			}
		})
	}
}
