// Package timespan writes times and spans of time in texts for people. Every part of the
// program may import it, so that events, status, the page and logs all say "3.4 s" for what
// Go prints as 3.4140625s, and tell the time as this machine's clock on the wall does. What
// quotes a setting keeps the notation of the configuration, and JSON its numbers and times
// (RFC 3339).
//
//	timespan.Text(3414062500 * time.Nanosecond) // "3.4 s"
//	timespan.At(deadline)                       // "2026-01-02 16:04:05 CET"
package timespan

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// units are those of spans below a minute, each up to where the next one begins, after
// rounding to step.
var units = []struct {
	below, step, unit time.Duration
	name              string
}{
	{time.Microsecond, time.Nanosecond, time.Nanosecond, "ns"},
	{time.Millisecond, time.Microsecond, time.Microsecond, "µs"},
	{10 * time.Millisecond, 100 * time.Microsecond, time.Millisecond, "ms"},
	{time.Second, time.Millisecond, time.Millisecond, "ms"},
	{time.Minute, 100 * time.Millisecond, time.Second, "s"},
}

// larger are those of longer spans, which are written in two of them.
var larger = []struct {
	below, first, second time.Duration
	one, two             string
}{
	{time.Hour, time.Minute, time.Second, "min", "s"},
	{24 * time.Hour, time.Hour, time.Minute, "h", "min"},
	{1<<63 - 1, 24 * time.Hour, time.Hour, "d", "h"},
}

// At gives t in this machine's time zone, to the second, with the zone's name, or its
// distance from UTC where it has none: "2026-01-02 16:04:05 CET".
func At(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

// Text gives d as "850 µs", "3.4 ms", "120 ms", "3.4 s", "2 min 5 s", "3 h 20 min" or
// "2 d 1 h", rounded to what is read there; a second part that is zero is left out.
func Text(d time.Duration) string {
	switch {
	case d == 0:
		return "0 s"
	case d == -1<<63:
		d++ // its opposite is no Duration
	}
	if d < 0 {
		return "-" + Text(-d)
	}
	for _, u := range units {
		if d.Round(u.step) < u.below {
			n := strconv.FormatFloat(float64(d.Round(u.step))/float64(u.unit), 'f', 1, 64)
			return strings.TrimSuffix(n, ".0") + " " + u.name
		}
	}
	text := ""
	for _, u := range larger {
		r := d.Round(u.second)
		text = fmt.Sprintf("%d %s", r/u.first, u.one)
		if rest := r % u.first / u.second; rest > 0 {
			text += fmt.Sprintf(" %d %s", rest, u.two)
		}
		if r < u.below {
			break
		}
	}
	return text
}
