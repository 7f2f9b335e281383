// Package deadline is the timeout of a probe that may share its machine with others: a
// server's silence is counted only while this process gets to run and could hear it.
package deadline

import "time"

// Timeout runs in slices, and whoever keeps it looks at the end of each. One that is
// looked at in time is used up. After one that is looked at late this process stood
// still, the answer may wait in a socket, and the slice is granted once more; but only
// once, so that on a machine that is late all the time silence is found out too. The
// zero value has not begun.
type Timeout struct {
	whole time.Duration
	left  time.Duration
	worst time.Duration // for so long this process stood still at once
	again bool          // the slice was granted once more
	until time.Time     // the end of the slice
}

const (
	// slices are in a timeout: so a stall as long as it is seen as at least three
	// quarters of it, whenever it begins.
	slices = 4
	// unrest is the least lateness that is a stall: timers are never quite on time.
	unrest = 10 * time.Millisecond
)

// Begin grants the whole of d and says when to look.
func (t *Timeout) Begin(now time.Time, d time.Duration) time.Time {
	*t = Timeout{whole: d, left: d}
	return t.slice(now)
}

// Look is called when that time has come, or later. It says when to look again, or
// that the timeout is over: at its end if all slices were looked at in time, and soon
// after a stall of more than half of it.
func (t *Timeout) Look(now time.Time) (again time.Time, over bool) {
	if t.Lost(t.until) {
		return t.until, true
	}
	late := t.late(now)
	t.worst = max(t.worst, late)
	t.again = late > 0 && !t.again
	if !t.again {
		t.left -= t.length()
	}
	if t.left <= 0 {
		return t.until, true
	}
	return t.slice(now), false
}

// Lost says that this process has stood still for more than half of the timeout, at
// once: that a probe failed says nothing of the server.
func (t *Timeout) Lost(now time.Time) bool { return max(t.worst, t.late(now)) > t.whole/2 }

// late is how much later than at its end the slice is looked at; 0 if in time.
func (t *Timeout) late(now time.Time) time.Duration {
	late := now.Sub(t.until)
	if late <= max(unrest, t.whole/(2*slices)) {
		return 0
	}
	return late
}

func (t *Timeout) slice(now time.Time) time.Time {
	t.until = now.Add(t.length())
	return t.until
}

// length is that of the slice under way.
func (t *Timeout) length() time.Duration { return min(t.left, (t.whole+slices-1)/slices) }
