package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"usher/director"
	"usher/director/ipvs"
	"usher/director/ipvstest"
	"usher/healthcheck"
)

// shifted is a pool like pool(n), but of the n servers after those of first.
func shifted(first, n int) director.VirtualServer {
	vs := pool(first + n)
	vs.Real = vs.Real[first:]
	return vs
}

// A reload that exchanges every server leaves the pool to the old ones until the
// first probe of a new one, whatever it has to say.
func TestReplacedServersServeUntilTheFirstProbe(t *testing.T) {
	for _, first := range []healthcheck.State{healthcheck.Up, healthcheck.Down} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			defer func() { w.halt() }()
			w.apply(pool(2))
			w.up(0, 1)
			w.k.SetCounters(ipvstest.Key(0), ipvstest.Dest(0), ipvs.Counters{Active: 1})
			w.k.Watch(func(now ipvs.Table) {
				if first == healthcheck.Up && !ipvstest.Serving(now, ipvstest.Key(0)) {
					t.Errorf("empty: %v", now)
				}
			})
			w.apply(shifted(2, 2))
			time.Sleep(time.Hour)
			w.weights(map[int]uint32{0: 1, 1: 1})
			w.halt()
			w.start()
			w.apply(shifted(2, 2))
			w.weights(map[int]uint32{0: 1, 1: 1})
			if w.count(director.EventQuorum) != 1 || !w.d.Status()[0].Up {
				t.Errorf("the quorum was lost: %+v", w.d.Status()[0])
			}
			w.health("web", 2, first)
			if first == healthcheck.Up {
				w.weights(map[int]uint32{0: 0, 1: 0, 2: 1})
				time.Sleep(10 * time.Second)
				w.weights(map[int]uint32{0: 0, 2: 1})
				time.Sleep(time.Minute)
				w.weights(map[int]uint32{2: 1})
				return
			}
			w.weights(map[int]uint32{0: 1, 1: 1})
			w.health("web", 3, first)
			w.weights(map[int]uint32{0: 0, 1: 0})
			if w.d.Status()[0].Up {
				t.Error("the quorum is there without servers")
			}
		})
	}
}

// A reload that leaves too few probed servers for the quorum loses none of it
// either: those that go stay until the new ones have answered.
func TestReplacedServersKeepTheQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		vs := sorryPool()
		vs.Quorum = 2
		w.apply(vs)
		w.up(0, 1)
		next := shifted(1, 2)
		next.Quorum, next.Sorry = 2, vs.Sorry
		time.Sleep(time.Minute) // what the sorry server had is over
		w.apply(next)
		time.Sleep(time.Minute)
		w.weights(map[int]uint32{0: 1, 1: 1})
		w.up(2)
		time.Sleep(5 * time.Second)
		w.weights(map[int]uint32{1: 1, 2: 1})
		if n := w.count(director.EventQuorum); n != 1 {
			t.Errorf("the quorum changed %d times, want once, at the start", n)
		}
	})
}
