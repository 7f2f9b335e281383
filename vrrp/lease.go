package vrrp

import (
	"fmt"
	"time"

	"usher/vrrp/timespan"
)

// leaseStep is the least lease that there is: the kernel counts in seconds.
const leaseStep = time.Second

// DownInterval is Active_Down_Interval (RFC 9568 section 6.1) by the configured
// priority: peers of the same and of lower priority take over no sooner, once they hear
// nothing of this router.
func (c Config) DownInterval() time.Duration { return NewMachine(c.Parameters()).DownInterval() }

// FitLease is the lease for an instance that is given none: DefaultLease, or as much
// less as it takes to end before peers take over, but not less than a second, which is
// the shortest that there is.
func (c Config) FitLease() time.Duration {
	return max(leaseStep, min(DefaultLease, c.DownInterval().Truncate(leaseStep)))
}

// LongLease says what is wrong with a lease that is longer than it has to be and than
// peers wait; "" with any other.
func (c Config) LongLease() string {
	down := c.DownInterval()
	fit := max(leaseStep, down.Truncate(leaseStep))
	if c.Lease <= down || c.Lease <= fit {
		return ""
	}
	return fmt.Sprintf("The lease of %s is longer than the %s after which peers take over (down_timer_adverts times advert_interval, and the skew): "+
		"where all processes of usher are killed at once, the addresses stay here beside the new active router's until it ends; give lease = \"%v\" or less",
		timespan.Text(c.Lease), timespan.Text(down), fit)
}
