package track

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestSettled: a restart within the delay is no change, one that lasts is told late,
// each way with a delay of its own.
func TestSettled(t *testing.T) {
	type step struct {
		after time.Duration
		up    bool
	}
	for _, tc := range []struct {
		name     string
		up, down time.Duration
		steps    []step
		want     string
	}{
		{"no delay", 0, 0, []step{{0, true}, {time.Second, false}, {time.Second, true}}, "[0s true][1s false][2s true]"},
		{"restart", 0, 2 * time.Second, []step{{0, true}, {time.Second, false}, {time.Second, true}}, "[0s true]"},
		{"restarts", 0, 2 * time.Second, []step{{0, true}, {time.Second, false}, {time.Second, true}, {time.Second, false}, {time.Second, true}}, "[0s true]"},
		{"gone", 0, 2 * time.Second, []step{{0, true}, {time.Second, false}}, "[0s true][3s false]"},
		{"down at first", time.Hour, time.Hour, []step{{0, false}}, "[0s false]"},
		{"back late", 3 * time.Second, 0, []step{{0, false}, {time.Second, true}}, "[0s false][4s true]"},
		{"no way back", 3 * time.Second, 0, []step{{0, false}, {time.Second, true}, {2 * time.Second, false}}, "[0s false]"},
		{"after the end", 0, 20 * time.Second, []step{{0, true}, {time.Second, false}}, "[0s true]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				start, got := time.Now(), ""
				say := settled(ctx, tc.up, tc.down, nil, func(r result) { got += fmt.Sprintf("[%v %t]", time.Since(start), r.up) })
				for _, s := range tc.steps {
					time.Sleep(s.after)
					say(result{up: s.up})
				}
				time.Sleep(10 * time.Second)
				cancel()
				time.Sleep(time.Hour)
				synctest.Wait()
				if got != tc.want {
					t.Errorf("%s, not %s", got, tc.want)
				}
			})
		})
	}
}
