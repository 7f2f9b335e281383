package share

import (
	"cmp"
	"math"
	"time"
)

// MaxAhead is how far a stamp may be ahead of one's own clock. A clock that is off by less
// orders what is said all the same; one that is off by more is not followed, or the stamps
// of the whole group would run away with it.
const MaxAhead = 24 * time.Hour

// Stamp is a reading of a hybrid logical clock (Kulkarni and others, 2014): the wall clock
// of whoever writes, but never at or below any stamp that it has seen. What is said after
// something else was heard is therefore later, whatever the clocks say.
type Stamp struct {
	Wall   int64  `json:"wall"`            // milliseconds since 1970
	Count  uint32 `json:"count,omitempty"` // within one of them
	Origin string `json:"origin"`          // the member that wrote
}

// Compare orders stamps; two that are equal are of one moment of one member.
func (s Stamp) Compare(o Stamp) int {
	return cmp.Or(cmp.Compare(s.Wall, o.Wall), cmp.Compare(s.Count, o.Count), cmp.Compare(s.Origin, o.Origin))
}

// Time is the stamp's wall clock.
func (s Stamp) Time() time.Time { return time.UnixMilli(s.Wall) }

// Clock gives stamps.
type Clock struct {
	origin string
	last   Stamp
}

// Next gives a stamp above all that were given and seen. now is the wall clock.
func (c *Clock) Next(now time.Time) Stamp {
	switch wall := now.UnixMilli(); {
	case wall > c.last.Wall:
		c.last = Stamp{Wall: wall}
	case c.last.Count == math.MaxUint32:
		c.last = Stamp{Wall: c.last.Wall + 1}
	default:
		c.last.Count++
	}
	return Stamp{Wall: c.last.Wall, Count: c.last.Count, Origin: c.origin}
}

// See has the clock go on after a stamp of somebody else. One that is too far ahead, or
// none that a clock gives, is Future or Invalid, and changes nothing.
func (c *Clock) See(s Stamp, now time.Time) error {
	if s.Wall <= 0 {
		return Invalid
	}
	if s.Time().Sub(now) > MaxAhead {
		return Future
	}
	if cmp.Or(cmp.Compare(s.Wall, c.last.Wall), cmp.Compare(s.Count, c.last.Count)) > 0 {
		c.last = Stamp{Wall: s.Wall, Count: s.Count}
	}
	return nil
}

// settle takes the clock back where it was itself too far ahead, and says whether it was:
// the machine's clock was wrong, and has been set.
func (c *Clock) settle(now time.Time) bool {
	if c.last.Time().Sub(now) <= MaxAhead {
		return false
	}
	c.last = Stamp{}
	return true
}
