package daemon

import (
	"errors"
	"testing"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/director"
	"usher/vrrp/timespan"
)

// TestConfirmation: an order is answered with what it does.
func TestConfirmation(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tc := range map[string]struct {
		o    director.Override
		e    director.Effect
		want string
	}{
		"weight":            {director.Override{Mode: director.OverrideWeight, Weight: 5}, director.Effect{Before: 1, After: 5, State: director.ServerUp}, "web 10.0.0.1:80: weight 1 -> 5; until usher enable"},
		"weight while down": {director.Override{Mode: director.OverrideWeight, Weight: 5}, director.Effect{State: director.ServerDown, Reason: "tcp: connection refused"}, "web 10.0.0.1:80: weight 0 -> 0, it is down: tcp: connection refused; until usher enable"},
		"drain": {director.Override{Mode: director.OverrideDrain, Since: now}, director.Effect{Before: 3, Connections: 12, State: director.ServerDraining, Deadline: now.Add(time.Minute)},
			"web 10.0.0.1:80 drains: weight 3 -> 0, 12 connections left; it is out when they are gone, at the latest " + timespan.At(now.Add(time.Minute)) + " (in 1 min); until usher enable"},
		"drain of what is out": {director.Override{Mode: director.OverrideDrain, Since: now}, director.Effect{State: director.ServerDisabled}, "web 10.0.0.1:80 is drained: weight 0 -> 0, nothing is left to wait for; until usher enable"},
		"disable":              {director.Override{Mode: director.OverrideDisable}, director.Effect{Before: 3, Connections: 1, State: director.ServerDisabled}, "web 10.0.0.1:80 is disabled: weight 3 -> 0, 1 connection cut off; until usher enable"},
		"enable":               {director.Override{}, director.Effect{Lifted: director.Override{Mode: director.OverrideDrain, By: "ann"}, After: 3, State: director.ServerUp}, "web 10.0.0.1:80 is no longer drained by ann: weight 0 -> 3"},
		"enable of nothing":    {director.Override{}, director.Effect{Before: 3, After: 3, State: director.ServerUp}, "web 10.0.0.1:80: nothing to lift"},
		"two hours": {director.Override{Mode: director.OverrideWeight, Since: now, Until: now.Add(2 * time.Hour)}, director.Effect{Before: 1, After: 5, State: director.ServerUp},
			"web 10.0.0.1:80: weight 1 -> 5; lifted at " + timespan.At(now.Add(2*time.Hour)) + " (in 2 h)"},
		"away": {director.Override{Mode: director.OverrideWeight, Weight: 7, By: "ann"}, director.Effect{Absent: true},
			"web 10.0.0.1:80 is not in the pool at present; when it comes back: weight 7; until usher enable"},
		"away, lifted": {director.Override{}, director.Effect{Absent: true, Lifted: director.Override{Mode: director.OverrideDrain, By: "ann"}},
			"web 10.0.0.1:80 is not in the pool at present, and no longer drained by ann when it comes back"},
		"full disk": {director.Override{Mode: director.OverrideDisable}, director.Effect{Before: 3, State: director.ServerDisabled, Unsaved: errors.New("no space left on device")},
			"web 10.0.0.1:80 is disabled: weight 3 -> 0, 0 connections cut off; until usher enable; but the state folder does not hold it: no space left on device; make room or the folder writable, else it is lost when usher stops"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := confirmation(api.Steer{VirtualServer: "web", RealServer: "10.0.0.1:80"}, tc.o, tc.e); got != tc.want {
				t.Errorf("%q; want %q", got, tc.want)
			}
		})
	}
}
