package director

import (
	"testing"
	"time"
)

// TestClockIsSet: an override lasts as long as it was given, and its end is told by the
// clock as it is.
func TestClockIsSet(t *testing.T) {
	given := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	o := Override{Mode: OverrideDrain, Since: given, Until: given.Add(2 * time.Hour)}
	for name, tc := range map[string]struct {
		step, until time.Duration
	}{
		"not":          {0, 2 * time.Hour},
		"by NTP":       {time.Second, 2 * time.Hour},
		"an hour on":   {time.Hour, 3 * time.Hour},
		"an hour back": {-time.Hour, time.Hour},
		"years":        {10 * 365 * 24 * time.Hour, 10*365*24*time.Hour + 2*time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			passed := 30 * time.Minute
			got, set := o.Moved(2*time.Hour, given.Add(passed+tc.step), passed)
			if want := given.Add(tc.until); !got.Until.Equal(want) || set != (tc.until != 2*time.Hour) {
				t.Errorf("until %v, set %t; want %v", got.Until, set, want)
			}
			if whole := got.Until.Sub(got.Since); whole != 2*time.Hour {
				t.Errorf("it lasts %v", whole)
			}
		})
	}
}
