package redact

import (
	"slices"
	"sync"
	"sync/atomic"
)

// kept is how many values are remembered beyond those that were told last.
const kept = 2000

// Live is the set of secrets of a program that gets others while it runs. Those that it
// has no more stay hidden, the latest 2,000 of them: what was said of them is still
// remembered, and so are events. The zero value is empty; it is safe for concurrent use,
// and reading it costs no lock.
type Live struct {
	mu    sync.Mutex
	order []string // oldest first
	set   atomic.Pointer[Set]
}

// Know adds values to the set.
func (l *Live) Know(values []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := slices.Sorted(slices.Values(l.order))
	now := make(map[string]bool, len(values))
	for _, v := range values {
		now[v] = true
	}
	old := slices.DeleteFunc(l.order, func(v string) bool { return now[v] })
	old = old[max(0, len(old)-kept):]
	l.order = slices.Grow(old, len(now))
	for _, v := range values {
		if now[v] && Worth(v) {
			l.order = append(l.order, v)
		}
		delete(now, v)
	}
	// Making a large set takes its time; a reload mostly has the secrets of before.
	if !slices.Equal(was, slices.Sorted(slices.Values(l.order))) {
		l.set.Store(Everywhere(l.order))
	}
}

// Values are those that are known, the oldest first, for another process to know.
func (l *Live) Values() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.order)
}

// Set is the set as it is now.
func (l *Live) Set() *Set { return l.set.Load() }

// Text is Set().Text.
func (l *Live) Text(text string) string { return l.Set().Text(text) }
