package main

import (
	"fmt"
	"slices"
	"time"
)

// result is one failover: by how much each first thing was later than the bound.
type result struct {
	advert, garp, tcp time.Duration
}

func (r result) ofAdvert() time.Duration { return r.advert }
func (r result) ofGARP() time.Duration   { return r.garp }
func (r result) ofTCP() time.Duration    { return r.tcp }

// quantiles gives median and 99th percentile (with fewer than a hundred runs the
// worst) in milliseconds.
func quantiles(all []result, of func(result) time.Duration) string {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return fmt.Sprintf("%.2f / %.2f", ms(quantile(all, of, 50)), ms(quantile(all, of, 99)))
}

func quantile(all []result, of func(result) time.Duration, percent int) time.Duration {
	values := make([]time.Duration, 0, len(all))
	for _, r := range all {
		values = append(values, of(r))
	}
	if len(values) == 0 {
		return limit
	}
	slices.Sort(values)
	return values[min(len(values)-1, len(values)*percent/100)]
}

// The lower of the two priorities, which takes over.
const (
	high = 150
	low  = 100
)

// skew is Skew_Time of the router that takes over.
func skew(interval time.Duration) time.Duration { return (256 - low) * interval / 256 }

// bound is what the protocol asks the backup router to wait, from the last advert of
// the old active router.
func bound(interval time.Duration, resigned bool) time.Duration {
	if resigned {
		return skew(interval)
	}
	return 3*interval + skew(interval)
}
