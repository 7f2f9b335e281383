package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"usher/director"
	"usher/director/ipvs"
	"usher/director/ipvstest"
	"usher/healthcheck"
)

// pool is a virtual server "web" of n checked servers of weight 1.
func pool(n int) director.VirtualServer {
	vs := director.VirtualServer{
		Name: "web", Keys: []ipvs.ServiceKey{ipvstest.Key(0)}, Address: "192.0.2.1:80",
		Service: ipvs.Service{Scheduler: "rr"}, Forward: director.NAT, Quorum: 1,
		OnFailure: director.Remove, DrainTimeout: time.Minute,
	}
	for i := range n {
		vs.Real = append(vs.Real, director.RealServer{Address: server(i), Weight: 1, Forward: director.NAT, Checked: true})
	}
	return vs
}

func TestServersComeInWithTheirFirstProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.apply(pool(2))
		w.weights(map[int]uint32{})
		w.health("web", 0, healthcheck.Up)
		w.weights(map[int]uint32{0: 1})
		w.health("web", 1, healthcheck.Up)
		w.weights(map[int]uint32{0: 1, 1: 1})
		w.health("web", 0, healthcheck.Down)
		w.weights(map[int]uint32{1: 1})
		if s := w.d.Status(); len(s) != 1 || s[0].Real[0].State != director.ServerDown || !s[0].Up {
			t.Errorf("status %+v", s)
		}
	})
}

func TestQuiesceKeepsFailedServersAtWeightZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		vs := pool(2)
		vs.OnFailure = director.Quiesce
		w.apply(vs)
		w.health("web", 0, healthcheck.Up)
		w.health("web", 1, healthcheck.Up)
		w.health("web", 0, healthcheck.Down)
		w.weights(map[int]uint32{0: 0, 1: 1})
	})
}

// One server may be kept at weight 0 in a pool that removes, and the other way round.
func TestOnFailureOfOneServer(t *testing.T) {
	for _, c := range []struct {
		pool, own director.OnFailure
		want      map[int]uint32
	}{
		{director.Remove, director.Quiesce, map[int]uint32{0: 0, 2: 1}},
		{director.Quiesce, director.Remove, map[int]uint32{1: 0, 2: 1}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			defer w.halt()
			vs := pool(3)
			vs.OnFailure, vs.Real[0].OnFailure = c.pool, c.own
			w.apply(vs)
			for n := range 3 {
				w.health("web", n, healthcheck.Up)
			}
			w.health("web", 0, healthcheck.Down)
			w.health("web", 1, healthcheck.Down)
			w.weights(c.want)
		})
	}
}

// kill -9 and a new start change nothing in the kernel until the first probe of
// a server decides about that server.
func TestRestartAdoptsWhatServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.apply(pool(3))
		for n := range 3 {
			w.health("web", n, healthcheck.Up)
		}
		before := len(w.k.History())
		w.halt()
		w.start()
		defer func() { w.halt() }()
		w.apply(pool(3))
		time.Sleep(time.Minute)
		w.weights(map[int]uint32{0: 1, 1: 1, 2: 1})
		if after := len(w.k.History()); after != before {
			t.Errorf("the restart did %v", w.k.History()[before:])
		}
		w.health("web", 1, healthcheck.Down)
		w.weights(map[int]uint32{0: 1, 2: 1})
		w.health("web", 0, healthcheck.Up)
		w.weights(map[int]uint32{0: 1, 2: 1})
	})
}

func TestForeignServicesStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		foreign := ipvstest.Key(1)
		w.k.Apply([]ipvs.Op{{Kind: ipvs.AddService, Key: foreign, Service: ipvs.Service{Scheduler: "rr", Netmask: 32}}})
		w.apply(pool(1))
		w.health("web", 0, healthcheck.Up)
		time.Sleep(2 * time.Minute)
		w.halt()
		if err := w.d.Stop(context.Background(), false); err != nil {
			t.Error(err)
		}
		table := w.k.Table()
		if _, ok := table[foreign]; !ok || len(table) != 1 {
			t.Errorf("left %v, want the foreign service alone", table)
		}
	})
}

// A service of an earlier configuration is ours still after a restart.
func TestOwnershipOutlivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.apply(pool(1))
		w.health("web", 0, healthcheck.Up)
		w.halt()
		if err := w.d.Stop(context.Background(), true); err != nil {
			t.Error(err)
		}
		w.start()
		defer func() { w.halt() }()
		w.apply()
		time.Sleep(2 * time.Minute)
		if table := w.k.Table(); len(table) != 0 {
			t.Errorf("left %v", table)
		}
	})
}

func TestDrainWaitsForConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.apply(pool(2))
		w.health("web", 0, healthcheck.Up)
		w.health("web", 1, healthcheck.Up)
		w.k.SetCounters(ipvstest.Key(0), ipvstest.Dest(0), ipvs.Counters{Active: 3})
		if _, err := w.d.Override("web", server(0), director.Override{Mode: director.OverrideDrain}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		w.weights(map[int]uint32{0: 0, 1: 1})
		if s := w.d.Status()[0].Real[0]; s.State != director.ServerDraining || s.Override == nil {
			t.Errorf("status %+v", s)
		}
		// Half closed, they may still carry something.
		for packets := range uint64(5) {
			w.k.SetCounters(ipvstest.Key(0), ipvstest.Dest(0), ipvs.Counters{Inactive: 2, PacketsIn: 10 + packets})
			time.Sleep(3 * time.Second)
			w.weights(map[int]uint32{0: 0, 1: 1})
		}
		time.Sleep(4 * time.Second)
		w.weights(map[int]uint32{1: 1})

		// It outlives a restart, until it is lifted.
		w.halt()
		w.start()
		w.apply(pool(2))
		w.health("web", 0, healthcheck.Up)
		w.health("web", 1, healthcheck.Up)
		w.weights(map[int]uint32{1: 1})
		if _, err := w.d.Override("web", server(0), director.Override{}); err != nil {
			t.Fatal(err)
		}
		w.weights(map[int]uint32{0: 1, 1: 1})
	})
}

func TestDrainEndsAtItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.apply(pool(2))
		w.health("web", 0, healthcheck.Up)
		w.health("web", 1, healthcheck.Up)
		w.k.SetCounters(ipvstest.Key(0), ipvstest.Dest(0), ipvs.Counters{Active: 3})
		reduced := pool(2)
		reduced.Real = reduced.Real[1:]
		w.apply(reduced)
		time.Sleep(59 * time.Second)
		w.weights(map[int]uint32{0: 0, 1: 1})
		time.Sleep(3 * time.Second)
		w.weights(map[int]uint32{1: 1})
	})
}

func TestRefusedReplacementKeepsTheOldServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		vs := pool(1)
		vs.DrainTimeout = 0
		vs.Real[0].Checked = false
		w.apply(vs)
		w.weights(map[int]uint32{0: 1})
		var refuse atomic.Bool
		refuse.Store(true)
		w.k.Fail = func(op ipvs.Op) error {
			if refuse.Load() && op.Kind == ipvs.AddDestination {
				return unix.ENOMEM
			}
			return nil
		}
		vs = pool(2)
		vs.DrainTimeout = 0
		vs.Real = vs.Real[1:]
		vs.Real[0].Checked = false
		if err := w.d.Apply(context.Background(), []director.VirtualServer{vs}); err == nil {
			t.Error("the refusal was not reported")
		}
		if list := w.d.Warnings(); len(list) != 1 || list[0].Kind != "kernel" || w.count(director.EventErrorEnd) != 0 {
			t.Errorf("warnings %+v, %d told to be over", list, w.count(director.EventErrorEnd))
		}
		w.weights(map[int]uint32{0: 1})
		refuse.Store(false)
		time.Sleep(time.Second)
		w.weights(map[int]uint32{1: 1})
		if list := w.d.Warnings(); len(list) > 0 || w.count(director.EventErrorEnd) != 1 {
			t.Errorf("over, and warnings %+v, %d told to be over", list, w.count(director.EventErrorEnd))
		}
	})
}

// TestTrustedServers: servers that are trusted come in with their service, in one
// pass; that they are trusted is no news, and the first probe that
// says otherwise takes them out. A server that is trusted only now keeps what its checks said.
func TestTrustedServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		vs := pool(2)
		for i := range vs.Real {
			vs.Real[i].Trusted = true
		}
		w.apply(vs)
		w.weights(map[int]uint32{0: 1, 1: 1})
		w.d.SetHealth(healthcheck.Update{ID: healthcheck.ID{VirtualServer: "web", RealServer: server(1)},
			Verdict: healthcheck.Verdict{State: healthcheck.Up, Initial: true, Percent: 100, Reason: "not probed yet"}})
		synctest.Wait()
		if n := w.count(director.EventServer); n != 0 || len(w.k.History()) != 3 {
			t.Errorf("%d events, operations %v", n, w.k.History())
		}
		w.health("web", 0, healthcheck.Down)
		w.weights(map[int]uint32{1: 1})
		if n := w.count(director.EventServer); n != 1 {
			t.Errorf("%d events, want that of the server that failed", n)
		}
		vs.Real = append(vs.Real, pool(3).Real[2])
		w.apply(vs)
		w.health("web", 2, healthcheck.Down)
		vs.Real[2].Trusted = true
		w.apply(vs)
		w.weights(map[int]uint32{1: 1})
	})
}

// What an operator says of a server outlives a reload without it, as one that is taken
// back because the kernel refuses it: that it has no effect meanwhile is told.
func TestOverrideOutlivesItsServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.apply(pool(2))
		w.health("web", 0, healthcheck.Up)
		w.health("web", 1, healthcheck.Up)
		if _, err := w.d.Override("web", server(1), director.Override{Mode: director.OverrideDisable}); err != nil {
			t.Fatal(err)
		}
		idle := func() (n int) {
			synctest.Wait()
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, e := range w.events {
				if e.Kind == director.EventOverride && e.To == "" && e.RealServer == server(1) {
					n++
				}
			}
			return n
		}
		renamed := pool(2)
		renamed.Name = "renamed"
		for i, without := range []director.VirtualServer{pool(1), renamed} {
			w.apply(without)
			if n := idle(); n != i+1 {
				t.Errorf("%d events after %d reloads", n, i+1)
			}
			w.halt()
			w.start()
			w.apply(without)
			if n := idle(); n != i+1 {
				t.Errorf("%d events after the new start", n)
			}
			w.apply(pool(2))
			w.health("web", 0, healthcheck.Up)
			w.health("web", 1, healthcheck.Up)
			w.weights(map[int]uint32{0: 1})
		}
	})
}
