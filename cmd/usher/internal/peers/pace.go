package peers

import (
	"sync"
	"time"
)

// pace is a bucket of tokens: so many a second in the long run, and so many at once.
type pace struct {
	perSecond, most float64

	mu   sync.Mutex
	left float64
	at   time.Time
}

func newPace(perSecond, most float64) *pace {
	return &pace{perSecond: perSecond, most: most, left: most}
}

// take takes up to n tokens, and gives how many it got.
func (p *pace) take(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if !p.at.IsZero() {
		p.left = min(p.most, p.left+now.Sub(p.at).Seconds()*p.perSecond)
	}
	p.at = now
	got := min(n, int(p.left))
	p.left -= float64(got)
	return got
}

// one takes one token, if there is one.
func (p *pace) one() bool { return p.take(1) == 1 }

// all takes n tokens, or none where there are not so many.
func (p *pace) all(n int) bool {
	p.take(0)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left < float64(n) {
		return false
	}
	p.left -= float64(n)
	return true
}
