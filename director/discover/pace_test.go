package discover_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"usher/director/discover"
)

// A pause is within its tenth of what the source says, whatever the time and the chance.
func TestPauseIsWithinATenth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wait := time.Duration(rapid.Int64Range(int64(100*time.Millisecond), int64(24*time.Hour)).Draw(t, "wait"))
		since := time.Duration(rapid.Int64Range(0, int64(1000*time.Hour)).Draw(t, "since"))
		s := &discover.Source{Interval: 24 * time.Hour, MinInterval: 100 * time.Millisecond}
		got := new(discover.Pace).Next(s, discover.Answer{TTL: wait}, since, rapid.Float64Range(0, 1).Draw(t, "chance"))
		if got > wait || got < wait-wait/10 {
			t.Errorf("%v for a TTL of %v", got, wait)
		}
	})
}

// A thousand sources, each asked at another time, are soon asked some at a time: as many as
// are due within a second, or a twentieth of their interval, and spread over the tenth that
// is left to chance.
func TestSourcesAreAskedTogether(t *testing.T) {
	const sources = 1000
	for _, c := range []struct {
		ttl  func(i int) time.Duration
		most int // times at which some are due
	}{
		{func(int) time.Duration { return 30 * time.Second }, 33}, // from 27 s to one second before 60 s
		{func(i int) time.Duration { return time.Duration(20+i%11) * time.Second }, 43},
		{func(int) time.Duration { return 5 * time.Second }, 23},
		{func(int) time.Duration { return time.Second }, 39},
	} {
		due := map[time.Duration]int{}
		s := &discover.Source{Interval: 30 * time.Second, MinInterval: time.Second}
		for i := range sources {
			ttl := c.ttl(i)
			since := ttl * time.Duration(i) / sources
			due[since+new(discover.Pace).Next(s, discover.Answer{TTL: ttl}, since, float64(i*37%sources)/sources)]++
		}
		if len(due) > c.most || len(due) < 15 {
			t.Errorf("with a TTL of %v and more they are asked at %d times, expected %d at most", c.ttl(0), len(due), c.most)
		}
		for at, n := range due {
			if n > sources/8 {
				t.Errorf("%d of them are asked at %v", n, at)
			}
		}
	}
}
