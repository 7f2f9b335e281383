package engine

import (
	"net/netip"
	"time"
)

// limitPeriod is the least time between two reports of the same thing.
const limitPeriod = time.Minute

// maxLimits bounds what a flood from invented senders can take of memory. When it
// is reached, further senders are not reported until all is forgotten after a period.
const maxLimits = 4096

// limit names what is reported at most once a period: a reason, by whom, to whom.
type limit struct {
	instance string
	sender   netip.Addr
	reason   string
}

// limiter remembers when each thing was last reported.
type limiter struct {
	last map[limit]time.Time
	full time.Time // when it was found full
}

// allow says whether a thing may be reported now, and if so counts it as reported.
func (l *limiter) allow(now time.Time, what limit) bool {
	if len(l.last) >= maxLimits {
		switch {
		case l.full.IsZero():
			l.full = now
		case now.Sub(l.full) >= limitPeriod:
			// Nobody waits for a sweep in the midst of a flood: everything is as old as this.
			clear(l.last)
			l.full = time.Time{}
		}
	}
	last, seen := l.last[what]
	if seen && now.Sub(last) < limitPeriod || !seen && len(l.last) >= maxLimits {
		return false
	}
	l.last[what] = now
	return true
}
