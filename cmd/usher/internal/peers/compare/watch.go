package compare

import (
	"slices"
	"time"
)

// How long a difference lasts before it is told of, at least, and how long it has to be
// over. What comes and goes faster than Rest counts as lasting.
const (
	Least = 10 * time.Second
	Rest  = 5 * time.Second
)

// maxSeen bounds what is remembered: somebody with the key could have another difference
// each second.
const maxSeen = 10_000

// Watch keeps apart what lasts and what is over by itself: a reload that reaches one
// director after the other, a probe that is due a little later there. The zero value has
// seen nothing.
type Watch struct {
	seen map[Finding]*span
}

type span struct {
	since time.Time // when it was first seen
	last  time.Time // when it was last seen
	told  bool
}

// Lasting is a finding that has lasted.
type Lasting struct {
	Finding
	Since time.Time
}

// Step takes what was found at a moment, and gives what lasts, sorted. It is called about
// once a second; now never goes back.
func (w *Watch) Step(now time.Time, self Self, found []Finding) (lasting []Lasting) {
	if w.seen == nil {
		w.seen = map[Finding]*span{}
	}
	for _, f := range found {
		s := w.seen[f]
		if s == nil && len(w.seen) >= maxSeen {
			continue
		}
		if s == nil || now.Sub(s.last) > Rest {
			s = &span{since: now}
			w.seen[f] = s
		}
		s.last = now
		if s.told = s.told || now.Sub(s.since) >= self.lasts(f); s.told {
			lasting = append(lasting, Lasting{f, s.since})
		}
	}
	for f, s := range w.seen {
		switch {
		case s.last.Equal(now):
		case now.Sub(s.last) > Rest:
			delete(w.seen, f)
		case s.told:
			lasting = append(lasting, Lasting{f, s.since})
		}
	}
	slices.SortFunc(lasting, func(a, b Lasting) int { return a.compare(b.Finding) })
	return lasting
}

// lasts is how long a finding has to last until it is told of.
func (s *Self) lasts(f Finding) time.Duration {
	if (f.Kind == Health || f.Kind == Pool) && s.Patience != nil {
		return max(Least, s.Patience(f.Name))
	}
	return Least
}
