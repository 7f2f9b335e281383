package engine

import (
	"slices"
	"testing"
	"time"

	"usher/director"
)

// TestConcerned: a pass looks at pools that changed or change by themselves, in
// configured order, and at no others; not at those that are gone.
func TestConcerned(t *testing.T) {
	p := newPools()
	order := []string{"c", "b", "a", "d"}
	for i, name := range order {
		e := &entry{pool: director.NewPool(director.VirtualServer{Name: name}, nil, time.Time{}), rank: i}
		p.order, p.byName[name] = append(p.order, e), e
	}
	concerned := func(all bool) (names []string) {
		for _, e := range p.concerned(all) {
			names = append(names, e.pool.Config().Name)
		}
		return names
	}
	p.timed = map[string]bool{"d": true, "b": true, "gone": true}
	p.dirty = map[string]bool{"c": true, "d": true, "never": true}
	if got, want := concerned(false), []string{"c", "b", "d"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := concerned(true); !slices.Equal(got, order) {
		t.Errorf("the whole table: %q, want %q", got, order)
	}
	if p.timed["gone"] {
		t.Error("a pool that is gone is still timed")
	}
}
