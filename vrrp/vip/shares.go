package vip

import "sync"

// shares are the routes and rules that instances hold, which several may have alike: the
// default route that each member of a sync group brings along, say. Who gives way leaves
// what another one still holds, which would else be gone until that one's next look.
type shares struct {
	mu sync.Mutex
	by map[Object]int
}

// shareable says whether several instances may hold the same object. Addresses, virtual
// MACs and settings are one instance's own.
func shareable(o Object) bool {
	switch o.(type) {
	case Route, Rule:
		return true
	}
	return false
}

// take notes one more that holds an object.
func (s *shares) take(o Object) {
	if !shareable(o) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[Object]int{}
	}
	s.by[o]++
}

// leave notes one less, and says whether nobody else holds it.
func (s *shares) leave(o Object) (last bool) {
	if !shareable(o) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by[o]--; s.by[o] > 0 {
		return false
	}
	delete(s.by, o)
	return true
}
