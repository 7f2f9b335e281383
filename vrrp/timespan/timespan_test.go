package timespan

import (
	"testing"
	"time"
)

func TestText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                            "0 s",
		1:                            "1 ns",
		850 * time.Microsecond:       "850 µs",
		999_600 * time.Nanosecond:    "1 ms",
		3400 * time.Microsecond:      "3.4 ms",
		9_960 * time.Microsecond:     "10 ms",
		120 * time.Millisecond:       "120 ms",
		999_500 * time.Microsecond:   "1 s",
		3414062500:                   "3.4 s",
		3609375000:                   "3.6 s",
		10 * time.Second:             "10 s",
		59_960 * time.Millisecond:    "1 min",
		125 * time.Second:            "2 min 5 s",
		3_599_700 * time.Millisecond: "1 h",
		200 * time.Minute:            "3 h 20 min",
		2 * time.Hour:                "2 h",
		24*time.Hour - time.Second:   "1 d",
		49*time.Hour + time.Minute:   "2 d 1 h",
		-3414062500:                  "-3.4 s",
		-1 << 63:                     "-106751 d 23 h",
		1<<63 - 1:                    "106751 d 23 h",
	} {
		if got := Text(d); got != want {
			t.Errorf("%v: %q; want %q", d, got, want)
		}
	}
}

// TestAt: the time is told as the clock on the wall tells it, with the zone's name.
func TestAt(t *testing.T) {
	before := time.Local
	defer func() { time.Local = before }()
	at := time.Date(2026, 1, 2, 15, 4, 5, 999, time.UTC)
	for want, zone := range map[string]*time.Location{
		"2026-01-02 15:04:05 UTC":   time.UTC,
		"2026-01-02 16:04:05 CET":   time.FixedZone("CET", 3600),
		"2026-01-02 21:04:05 +0600": time.FixedZone("", 6*3600),
	} {
		time.Local = zone
		if got := At(at); got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
}
