package engine

import (
	"math"
	"time"

	"usher/healthcheck"
)

// Stats are the figures up to now.
func (e *Engine) Stats() healthcheck.Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.stats
	s.Lateness = healthcheck.Quantiles{P50: e.late.quantile(0.5), P99: e.late.quantile(0.99), Max: e.late.max}
	return s
}

// histogram counts durations in buckets that grow by an eighth of a power of two,
// from a microsecond up.
type histogram struct {
	buckets [256]uint64
	count   uint64
	max     time.Duration
}

const perOctave = 8

func (h *histogram) add(d time.Duration) {
	h.max = max(h.max, d)
	h.count++
	i := 0
	if us := d.Microseconds(); us > 0 {
		i = 1 + int(math.Log2(float64(us))*perOctave)
	}
	h.buckets[min(i, len(h.buckets)-1)]++
}

// quantile is the upper bound of the bucket in which the share q lies.
func (h *histogram) quantile(q float64) time.Duration {
	rest := uint64(math.Ceil(q * float64(h.count)))
	for i, n := range h.buckets {
		if rest <= n {
			bound := time.Duration(math.Exp2(float64(i)/perOctave) * float64(time.Microsecond))
			return min(bound, h.max)
		}
		rest -= n
	}
	return h.max
}
