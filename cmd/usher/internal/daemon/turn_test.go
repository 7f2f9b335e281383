package daemon

import "testing"

// TestNoChangeAfterTheStop: once the stop has begun nothing changes any more, also where the
// turn is free; and the stop finds it free.
func TestNoChangeAfterTheStop(t *testing.T) {
	d := &Daemon{changing: newTurn(), ending: make(chan struct{})}
	if !d.change(t.Context()) {
		t.Fatal("no change before the stop")
	}
	d.changing.give()
	close(d.ending)
	for range 100 { // of a choice between the two
		if d.change(t.Context()) {
			t.Fatal("a change after the stop has begun")
		}
	}
	if !d.changing.take(t.Context()) {
		t.Error("the turn was kept")
	}
}
