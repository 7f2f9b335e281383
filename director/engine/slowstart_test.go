package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"usher/director"
	"usher/director/engine"
	"usher/healthcheck"
)

func TestSlowStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		vs := pool(2)
		vs.SlowStart = 100 * time.Second
		vs.Real[0].Weight, vs.Real[1].Weight = 100, 100
		w.apply(vs)
		w.up(0, 1)
		w.weights(map[int]uint32{0: 100, 1: 100})
		w.health("web", 0, healthcheck.Down)
		w.up(0)
		w.weights(map[int]uint32{0: 5, 1: 100})
		time.Sleep(50*time.Second + time.Millisecond)
		w.weights(map[int]uint32{0: 55, 1: 100})
		time.Sleep(50 * time.Second)
		w.weights(map[int]uint32{0: 100, 1: 100})
	})
}

// A server that is coming back goes on from where it is when usher is started again in
// between, and a plan made beside it finds nothing to do.
func TestSlowStartOutlivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		vs := pool(2)
		vs.SlowStart = 100 * time.Second
		vs.Real[0].Weight, vs.Real[1].Weight = 100, 100
		w.apply(vs)
		w.up(0, 1)
		w.health("web", 0, healthcheck.Down)
		w.up(0)
		time.Sleep(30*time.Second + time.Millisecond)
		w.weights(map[int]uint32{0: 35, 1: 100})
		beside := engine.New(engine.Options{Kernel: w.k, State: w.state})
		if plan, err := beside.Plan(t.Context(), []director.VirtualServer{vs}); err != nil || len(plan.Changes) > 0 {
			t.Errorf("a plan of what runs, %v: %v", err, plan.Changes)
		}
		w.halt()
		time.Sleep(20 * time.Second)
		w.start()
		defer w.halt()
		w.apply(vs)
		w.weights(map[int]uint32{0: 35, 1: 100}) // until the first probe
		w.up(0, 1)
		w.weights(map[int]uint32{0: 55, 1: 100})
		time.Sleep(50 * time.Second)
		w.weights(map[int]uint32{0: 100, 1: 100})
		w.halt()
		w.start()
		w.apply(vs)
		w.up(0, 1)
		w.weights(map[int]uint32{0: 100, 1: 100})
	})
}
