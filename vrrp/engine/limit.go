package engine

import (
	"net/netip"
	"time"
)

// limitPeriod is the least time between two reports of the same thing.
const limitPeriod = time.Minute

// maxLimits bounds what a flood from invented senders can take of memory. When it
// is reached, further senders are not reported until older ones have aged.
const maxLimits = 4096

// limit names what is reported at most once a period: a reason, by whom, to whom.
type limit struct {
	instance string
	sender   netip.Addr
	reason   string
}

// limiter remembers when each thing was last reported.
type limiter map[limit]time.Time

// allow says whether a thing may be reported now, and if so counts it as reported.
func (l limiter) allow(now time.Time, what limit) bool {
	if last, seen := l[what]; seen && now.Sub(last) < limitPeriod {
		return false
	}
	if len(l) >= maxLimits {
		for k, last := range l {
			if now.Sub(last) >= limitPeriod {
				delete(l, k)
			}
		}
		if len(l) >= maxLimits {
			return false
		}
	}
	l[what] = now
	return true
}
