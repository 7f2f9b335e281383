package engine_test

import (
	"testing"
	"testing/synctest"

	"usher/healthcheck"
)

// Whether a new pool has its quorum is not known before the probes have decided: who
// goes by it would else take it for lost.
func TestQuorumUndecided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		vs := pool(3)
		vs.Quorum = 2
		w.apply(vs)
		ask := func(wantUp, wantKnown bool) {
			t.Helper()
			if up, reason, known := w.d.Quorum("web"); up != wantUp || known != wantKnown {
				t.Errorf("up %t, known %t (%s); want %t, %t", up, known, reason, wantUp, wantKnown)
			}
		}
		ask(false, false)
		w.health("web", 0, healthcheck.Down)
		ask(false, false) // the other two would do
		w.health("web", 1, healthcheck.Down)
		ask(false, true)
		w.up(0, 1)
		ask(true, true)
		w.health("web", 1, healthcheck.Down)
		ask(false, true) // that is a loss, though the third may still come
	})
}
