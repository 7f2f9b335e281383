package deadline_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"usher/healthcheck/internal/deadline"
)

// run keeps a timeout in a process that stands still from one time to another, and
// looks a little late otherwise. It says when the timeout was over and whether the
// time was lost.
func run(whole, from, stall, unrest time.Duration) (took time.Duration, lost bool) {
	begun := time.Unix(1000, 0)
	var t deadline.Timeout
	at := t.Begin(begun, whole)
	for {
		now := at.Add(unrest)
		if since := now.Sub(begun); since >= from && since < from+stall {
			now = begun.Add(from + stall)
		}
		again, over := t.Look(now)
		if over {
			return now.Sub(begun), t.Lost(now)
		}
		at = again
	}
}

func TestTimeout(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	for name, c := range map[string]struct {
		whole, from, stall, unrest time.Duration
		took                       time.Duration
		lost                       bool
	}{
		"nothing happens":                            {s, 0, 0, 0, s, false},
		"the machine is busy":                        {s, 0, 0, 50 * ms, 1200 * ms, false},
		"a timeout as short as the machine's unrest": {ms, 0, 0, ms, 5 * ms, false},
		// Each slice is taken twice, and the end counts: else no death were ever found.
		"the machine is late all the time": {s, 0, 0, 200 * ms, 3600 * ms, false},
		"and later still":                  {s, 0, 0, 600 * ms, 1700 * ms, true},
		// The slice that ended late is taken again: what came in meanwhile is heard.
		"a short stall":                       {s, 600 * ms, 350 * ms, 0, 1450 * ms, false},
		"one that ends just before the end":   {s, 100 * ms, 890 * ms, 0, 1240 * ms, true},
		"one that ends just after it":         {s, 10 * ms, s, 0, 1260 * ms, true},
		"one in the last slice":               {s, 990 * ms, s, 0, 2240 * ms, true},
		"a long one":                          {s, 10 * ms, time.Hour, 0, time.Hour + 260*ms, true},
		"a long one with a very long timeout": {time.Hour, 10 * ms, s, 0, time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			if took, lost := run(c.whole, c.from, c.stall, c.unrest); took != c.took || lost != c.lost {
				t.Errorf("over after %s, lost %t; want %s, %t", took, lost, c.took, c.lost)
			}
		})
	}
}

// A stall as long as the timeout or longer is always seen, and however this process is
// held up, the timeout ends.
func TestTimeoutSeesStalls(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := time.Duration(rapid.Int64Range(int64(20*time.Millisecond), int64(time.Minute)).Draw(t, "timeout"))
		from := time.Duration(rapid.Int64Range(0, int64(whole-1)).Draw(t, "from"))
		stall := whole + time.Duration(rapid.Int64Range(0, int64(10*whole)).Draw(t, "longer"))
		took, lost := run(whole, from, stall, 0)
		if !lost {
			t.Errorf("a stall of %s is not seen", stall)
		}
		if took < whole || took > from+stall+whole {
			t.Errorf("over after %s", took)
		}
		unrest := time.Duration(rapid.Int64Range(0, int64(10*whole)).Draw(t, "unrest"))
		if took, _ := run(whole, 0, 0, unrest); took < whole || took > 2*whole+8*max(unrest, 10*time.Millisecond) {
			t.Errorf("with an unrest of %s over after %s", unrest, took)
		}
	})
}

// A failure in the middle of a slice is judged by what was lost until then.
func TestLostInMidSlice(t *testing.T) {
	begun := time.Unix(1000, 0)
	var timeout deadline.Timeout
	timeout.Begin(begun, time.Second)
	for after, want := range map[time.Duration]bool{0: false, 700 * time.Millisecond: false, 760 * time.Millisecond: true, time.Hour: true} {
		if got := timeout.Lost(begun.Add(after)); got != want {
			t.Errorf("after %s: lost %t", after, got)
		}
	}
}
