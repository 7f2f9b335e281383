package engine_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"usher/director"
	"usher/director/engine"
	"usher/director/ipvs"
	"usher/director/ipvstest"
	"usher/healthcheck"
)

func TestDriftIsRepaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.apply(pool(2))
		w.health("web", 0, healthcheck.Up)
		w.health("web", 1, healthcheck.Up)
		w.k.Flush()
		time.Sleep(engine.DefaultResync + time.Second)
		w.weights(map[int]uint32{0: 1, 1: 1})
		w.k.Apply([]ipvs.Op{
			{Kind: ipvs.EditDestination, Key: ipvstest.Key(0), Dest: ipvstest.Dest(0), Destination: ipvs.Destination{Weight: 9}},
			{Kind: ipvs.DelDestination, Key: ipvstest.Key(0), Dest: ipvstest.Dest(1)},
			{Kind: ipvs.AddDestination, Key: ipvstest.Key(0), Dest: ipvstest.Dest(4), Destination: ipvs.Destination{Weight: 1}},
			{Kind: ipvs.EditService, Key: ipvstest.Key(0), Service: ipvs.Service{Scheduler: "wrr", Netmask: 32}},
		})
		time.Sleep(engine.DefaultResync)
		w.weights(map[int]uint32{0: 1, 1: 1})
		if s := w.k.Table()[ipvstest.Key(0)].Service.Scheduler; s != "rr" {
			t.Errorf("scheduler %s", s)
		}
		if n := w.count(director.EventDrift); n != 5 {
			t.Errorf("%d drift events, want 1 for the flush and 4 for the edits: %v", n, w.events)
		}
		if s := w.d.Stats(); s.DriftRepairs != 5 {
			t.Errorf("%d drift repairs counted", s.DriftRepairs)
		}
	})
}

// A flush is noticed at the next glance, an edit when its service has its turn; who
// fights for the table is not fought every second.
func TestDriftIsNoticedAtAGlance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		var servers []director.VirtualServer
		for n := range 5 {
			vs := pool(1)
			vs.Name, vs.Keys = fmt.Sprint("web", n), []ipvs.ServiceKey{ipvstest.Key(n)}
			servers = append(servers, vs)
		}
		w.apply(servers...)
		for _, vs := range servers {
			w.health(vs.Name, 0, healthcheck.Up)
		}
		whole := w.k.Table()
		back := func() bool {
			synctest.Wait()
			return cmp.Equal(whole, w.k.Table(), cmpopts.EquateComparable(ipvs.ServiceKey{}, ipvs.DestinationKey{}))
		}
		time.Sleep(7 * time.Second)
		w.k.Flush()
		time.Sleep(time.Second)
		if !back() {
			t.Errorf("a second after the flush: %v", w.k.Table())
		}
		time.Sleep(7 * time.Second)
		w.k.Apply([]ipvs.Op{{Kind: ipvs.EditDestination, Key: ipvstest.Key(3), Dest: ipvstest.Dest(0), Destination: ipvs.Destination{Weight: 9}}})
		time.Sleep(5 * time.Second)
		if !back() {
			t.Errorf("when each service had its turn: %v", w.k.Table())
		}
		time.Sleep(time.Minute)
		passes := w.d.Stats().Passes
		for range 600 {
			w.k.Flush()
			time.Sleep(100 * time.Millisecond)
		}
		if n := w.d.Stats().Passes - passes; n < 4 || n > 8 {
			t.Errorf("looked at the whole table %d times in a minute of fight", n)
		}
		time.Sleep(engine.DefaultResync)
		if !back() {
			t.Errorf("after the fight: %v", w.k.Table())
		}
		time.Sleep(engine.DefaultResync)
		w.k.Flush()
		time.Sleep(time.Second)
		if !back() {
			t.Errorf("a second after the next flush: %v", w.k.Table())
		}
	})
}

// Of a table that takes long to read a part is looked at each second, as large as may be:
// an edit waits for its turn and no longer.
func TestDriftOfALargeTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, k: ipvstest.New(), state: t.TempDir(), slow: time.Millisecond}
		w.start()
		defer w.halt()
		var servers []director.VirtualServer
		for n := range 40 {
			vs := pool(1)
			vs.Name, vs.Keys = fmt.Sprint("web", n), []ipvs.ServiceKey{ipvstest.Key(n)}
			servers = append(servers, vs)
		}
		w.apply(servers...)
		for _, vs := range servers {
			w.health(vs.Name, 0, healthcheck.Up)
		}
		time.Sleep(time.Second)
		whole := w.k.Table()
		for _, n := range []int{7, 39} {
			w.k.Apply([]ipvs.Op{{Kind: ipvs.EditDestination, Key: ipvstest.Key(n), Dest: ipvstest.Dest(0), Destination: ipvs.Destination{Weight: 9}}})
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if now := w.k.Table(); !cmp.Equal(whole, now, cmpopts.EquateComparable(ipvs.ServiceKey{}, ipvs.DestinationKey{})) {
				t.Errorf("service %d, when each had its turn: %v", n, now[ipvstest.Key(n)])
			}
		}
	})
}

// A surprise in an answer makes the director look at the whole table at once.
func TestSurpriseIsRepairedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.apply(pool(3))
		w.health("web", 0, healthcheck.Up)
		w.health("web", 1, healthcheck.Up)
		w.k.Flush()
		w.health("web", 2, healthcheck.Up)
		w.weights(map[int]uint32{0: 1, 1: 1, 2: 1})
	})
}

// A reload does not wait for the table to be read, and is over when it was.
func TestReloadIsPlannedOnWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.apply(pool(2))
		w.health("web", 0, healthcheck.Up)
		w.health("web", 1, healthcheck.Up)
		w.k.Latency = 10 * time.Second
		begun := time.Now()
		var changed time.Duration
		w.k.Watch(func(table ipvs.Table) {
			if table[ipvstest.Key(0)].Destinations[ipvstest.Dest(1)].Weight == 7 {
				changed = time.Since(begun)
			}
		})
		heavier := pool(2)
		heavier.Real[1].Weight = 7
		w.apply(heavier)
		if took := time.Since(begun); changed != w.k.Latency || took < 2*w.k.Latency {
			t.Errorf("the weight changed after %v, the reload was over after %v; a call of the kernel takes %v", changed, took, w.k.Latency)
		}
	})
}

// A reload repairs what somebody else did, be it to the very server that changes.
func TestReloadRepairsDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.apply(pool(3))
		for n := range 3 {
			w.health("web", n, healthcheck.Up)
		}
		w.k.Apply([]ipvs.Op{
			{Kind: ipvs.DelDestination, Key: ipvstest.Key(0), Dest: ipvstest.Dest(0)},
			{Kind: ipvs.DelDestination, Key: ipvstest.Key(0), Dest: ipvstest.Dest(1)},
		})
		heavier := pool(3)
		heavier.Real[1].Weight = 7
		w.apply(heavier)
		w.weights(map[int]uint32{0: 1, 1: 7, 2: 1})
		w.k.Flush()
		w.apply(pool(2))
		w.weights(map[int]uint32{0: 1, 1: 1, 2: 0}) // the last may have connections, which go on with it
		if n := w.count(director.EventDrift); n != 3 {
			t.Errorf("%d drift events, want 2 for the servers and 1 for the flush: %v", n, w.events)
		}
		if n := w.count(director.EventError); n != 0 {
			t.Errorf("%d errors: %v", n, w.events)
		}
	})
}
