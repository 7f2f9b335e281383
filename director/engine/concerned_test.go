package engine

import (
	"slices"
	"testing"

	"usher/director"
)

// TestConcerned: a pass looks at pools that changed or change by themselves, in
// configured order, and at no others; not at those that are gone.
func TestConcerned(t *testing.T) {
	d := New(Options{})
	d.order = []string{"c", "b", "a", "d"}
	for i, name := range d.order {
		d.pools[name], d.ranks[name] = &director.Pool{}, i
	}
	d.loop.timed = map[string]bool{"d": true, "b": true, "gone": true}
	d.dirty = map[string]bool{"c": true, "d": true, "never": true}
	if got, want := d.concerned(false), []string{"c", "b", "d"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := d.concerned(true); !slices.Equal(got, d.order) {
		t.Errorf("the whole table: %q, want %q", got, d.order)
	}
	if d.loop.timed["gone"] {
		t.Error("a pool that is gone is still timed")
	}
}
