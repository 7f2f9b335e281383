package engine_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/director"
	"usher/director/ipvs"
	"usher/director/ipvstest"
	"usher/healthcheck"
)

// up brings servers of "web" up in order.
func (w *world) up(servers ...int) {
	for _, n := range servers {
		w.health("web", n, healthcheck.Up)
	}
}

func TestQuorumWithHysteresis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		vs := pool(5)
		vs.Quorum, vs.Hysteresis = 3, 1
		w.apply(vs)
		for _, c := range []struct {
			n     int
			state healthcheck.State
			up    bool
		}{
			{0, healthcheck.Up, false}, {1, healthcheck.Up, false}, {2, healthcheck.Up, false},
			{3, healthcheck.Up, true}, // 4 = quorum + hysteresis
			{3, healthcheck.Down, true},
			{2, healthcheck.Down, true},  // 2 = quorum - hysteresis
			{1, healthcheck.Down, false}, // 1 is below
			{1, healthcheck.Up, false}, {2, healthcheck.Up, false}, {3, healthcheck.Up, true},
		} {
			w.health("web", c.n, c.state)
			if got := w.d.Status()[0].Up; got != c.up {
				t.Errorf("after server %d is %s: quorum %t, want %t", c.n, c.state, got, c.up)
			}
		}
		if n := w.count(director.EventQuorum); n != 3 {
			t.Errorf("%d quorum events, want 3", n)
		}
	})
}

// Directors that pick servers by the order in which these came into the kernel pick the same,
// whichever server answers first.
func TestServersOfMhComeInTogether(t *testing.T) {
	for _, c := range []struct {
		scheduler string
		onFailure director.OnFailure
		want      map[int]uint32
	}{
		{"mh", director.Quiesce, map[int]uint32{0: 0, 1: 0, 2: 1}},
		{"mh", director.Remove, map[int]uint32{2: 1}},
		{"wlc", director.Quiesce, map[int]uint32{2: 1}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			defer w.halt()
			vs := pool(3)
			vs.Service.Scheduler, vs.OnFailure = c.scheduler, c.onFailure
			w.apply(vs)
			w.up(2)
			w.weights(c.want)
			w.up(0, 1)
			w.weights(map[int]uint32{0: 1, 1: 1, 2: 1})
		})
	}
}

// A restart between both bounds of the hysteresis finds the quorum as it was.
func TestQuorumOutlivesARestart(t *testing.T) {
	for _, gained := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			vs := pool(4)
			vs.Quorum, vs.Hysteresis, vs.Sorry = 3, 1, sorryPool().Sorry[1:]
			w.apply(vs)
			w.up(0, 1)
			want := map[int]uint32{0: 0, 1: 0, 9: 1}
			if gained {
				w.up(2, 3)
				w.health("web", 3, healthcheck.Down)
				w.health("web", 2, healthcheck.Down)
				want = map[int]uint32{0: 1, 1: 1}
			}
			time.Sleep(5 * time.Second)
			w.weights(want)
			w.halt()
			w.start()
			defer func() { w.halt() }()
			w.apply(vs)
			w.up(0, 1)
			w.health("web", 2, healthcheck.Down)
			w.health("web", 3, healthcheck.Down)
			w.weights(want)
			if up := w.d.Status()[0].Up; up != gained {
				t.Errorf("quorum %t after the restart, before it was %t", up, gained)
			}
		})
	}
}

func sorryPool() director.VirtualServer {
	vs := pool(2)
	vs.Sorry = []director.RealServer{
		{Address: server(8), Weight: 1, Forward: director.NAT, Checked: true},
		{Address: server(9), Weight: 1, Forward: director.NAT},
	}
	return vs
}

// At no instant does the pool stand empty, and the first sorry server that is fit
// answers.
func TestSorryServersMakeBeforeBreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.apply(sorryPool())
		w.weights(map[int]uint32{9: 1})
		w.k.Watch(func(now ipvs.Table) {
			if !ipvstest.Serving(now, ipvstest.Key(0)) {
				t.Errorf("empty: %v", now)
			}
		})
		w.health("web", 8, healthcheck.Up)
		time.Sleep(time.Second)
		w.weights(map[int]uint32{8: 1})
		w.up(0)
		time.Sleep(time.Second)
		w.weights(map[int]uint32{0: 1})
		w.up(1)
		w.health("web", 0, healthcheck.Down)
		w.health("web", 1, healthcheck.Down)
		w.weights(map[int]uint32{8: 1})
		w.health("web", 8, healthcheck.Down)
		w.weights(map[int]uint32{9: 1})
		if s := w.d.Status()[0]; s.Up || !s.Sorry {
			t.Errorf("status %+v", s)
		}
	})
}

// Clients of a sorry server that is no longer needed finish what they began, and
// so do those of healthy servers that are below the quorum.
func TestSwapKeepsConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		vs := sorryPool()
		vs.Quorum = 2
		w.apply(vs)
		w.k.SetCounters(ipvstest.Key(0), ipvstest.Dest(9), ipvs.Counters{Active: 1})
		w.up(0, 1)
		time.Sleep(5 * time.Second)
		w.weights(map[int]uint32{0: 1, 1: 1, 9: 0})
		w.k.SetCounters(ipvstest.Key(0), ipvstest.Dest(9), ipvs.Counters{})
		time.Sleep(2 * time.Second)
		w.weights(map[int]uint32{0: 1, 1: 1})
		w.health("web", 0, healthcheck.Down)
		w.weights(map[int]uint32{1: 0, 9: 1})
	})
}

// Connections live on through a failure with quiesce, those of a sorry server, too:
// it stays until they are over, and not longer.
func TestFailedSorryServerIsQuiesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		vs := sorryPool()
		vs.OnFailure = director.Quiesce
		w.apply(vs)
		w.health("web", 8, healthcheck.Up)
		time.Sleep(5 * time.Second)
		w.weights(map[int]uint32{8: 1})
		w.k.SetCounters(ipvstest.Key(0), ipvstest.Dest(8), ipvs.Counters{Active: 1})
		w.health("web", 8, healthcheck.Down)
		time.Sleep(5 * time.Second)
		w.weights(map[int]uint32{8: 0, 9: 1})
		w.k.SetCounters(ipvstest.Key(0), ipvstest.Dest(8), ipvs.Counters{})
		time.Sleep(2 * time.Second)
		w.weights(map[int]uint32{9: 1})
	})
}

func TestMinHealthyKeepsTheLastGoodSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		vs := pool(4)
		vs.MinHealthy = 0.5
		w.apply(vs)
		w.up(0, 1, 2, 3)
		w.health("web", 3, healthcheck.Down)
		w.weights(map[int]uint32{0: 1, 1: 1, 2: 1})
		for _, n := range []int{0, 1, 2} {
			w.health("web", n, healthcheck.Down)
		}
		// The second failure left two of four; with the third there were too few.
		w.weights(map[int]uint32{1: 1, 2: 1})
		if n := w.count(director.EventPanic); n != 1 {
			t.Errorf("%d alarms, want 1", n)
		}
		if list := w.d.Warnings(); len(list) != 1 || list[0].Kind != "min_healthy" || list[0].VirtualServer != "web" || !strings.Contains(list[0].Text, "the last good set is kept") {
			t.Errorf("warnings %+v", list)
		}
		w.up(0, 1)
		w.weights(map[int]uint32{0: 1, 1: 1})
		if n := w.count(director.EventPanic); n != 2 {
			t.Errorf("%d alarms, want another for the end", n)
		}
		if list := w.d.Warnings(); len(list) > 0 {
			t.Errorf("over, and warnings %+v", list)
		}
	})
}

func TestWeightOverride(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.apply(pool(2))
		w.up(0, 1)
		if _, err := w.d.Override("web", server(0), director.Override{Mode: director.OverrideWeight, Weight: 7, By: "ann"}); err != nil {
			t.Fatal(err)
		}
		w.weights(map[int]uint32{0: 7, 1: 1})
		w.apply(pool(2))
		w.weights(map[int]uint32{0: 7, 1: 1})
		w.halt()
		w.start()
		defer func() { w.halt() }()
		w.apply(pool(2))
		w.up(0, 1)
		w.weights(map[int]uint32{0: 7, 1: 1})
		if o := w.d.Status()[0].Real[0].Override; o == nil || o.By != "ann" {
			t.Errorf("override %+v", o)
		}
		for _, bad := range []director.Override{{Mode: director.OverrideWeight, Weight: 65536}, {Mode: director.OverrideWeight, Weight: -1}} {
			if _, err := w.d.Override("web", server(0), bad); err == nil {
				t.Errorf("%+v was taken", bad)
			}
		}
		if _, err := w.d.Override("web", server(5), director.Override{}); err == nil {
			t.Error("an override of an unknown server was taken")
		}
	})
}

func TestDegradedAndAgentWeights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		vs := pool(1)
		vs.Real[0].Weight = 10
		w.apply(vs)
		id := healthcheck.ID{VirtualServer: "web", RealServer: server(0)}
		for _, c := range []struct {
			v    healthcheck.Verdict
			want uint32
		}{
			{healthcheck.Verdict{State: healthcheck.Up, Percent: 100}, 10},
			{healthcheck.Verdict{State: healthcheck.Degraded, Percent: 25}, 3}, // rounded up
			{healthcheck.Verdict{State: healthcheck.Up, Percent: 200}, 20},
			{healthcheck.Verdict{State: healthcheck.Up, Percent: 100, Weighted: true, Weight: 77}, 77},
			{healthcheck.Verdict{State: healthcheck.Up, Percent: 100, Drain: true}, 0},
		} {
			w.d.SetHealth(healthcheck.Update{ID: id, Verdict: c.v})
			w.weights(map[int]uint32{0: c.want})
		}
	})
}

// A service that the configuration no longer has serves those that it has until
// they are gone.
func TestRemovedServiceIsEmptiedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.apply(pool(1))
		w.up(0)
		w.k.SetCounters(ipvstest.Key(0), ipvstest.Dest(0), ipvs.Counters{Active: 1})
		w.apply()
		time.Sleep(10 * time.Second)
		w.weights(map[int]uint32{0: 0})
		w.k.SetCounters(ipvstest.Key(0), ipvstest.Dest(0), ipvs.Counters{})
		time.Sleep(2 * time.Second)
		if left := w.k.Table(); len(left) != 0 {
			t.Errorf("left %v", left)
		}
	})
}

// A probe's private service has its one server whatever the checks say.
func TestProbeService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		vs := pool(1)
		vs.Real[0].ProbeMark = 0x75000001
		w.apply(vs)
		key := ipvs.MarkKey(0x75000001, false)
		if d, ok := w.k.Table()[key].Destinations[ipvstest.Dest(0)]; !ok || d.Weight != 1 {
			t.Errorf("private service %v", w.k.Table()[key])
		}
		w.weights(map[int]uint32{})
		w.halt()
		if err := w.d.Stop(context.Background(), false); err != nil {
			t.Error(err)
		}
		if left := w.k.Table(); len(left) != 0 {
			t.Errorf("left %v", left)
		}
	})
}

func TestUnansweredConnectionsFindTheirServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.apply(pool(2))
		w.k.SetHalfOpen(ipvs.Route{Service: ipvstest.Key(0), Dest: ipvstest.Dest(1)}, 4)
		w.k.SetHalfOpen(ipvs.Route{Service: ipvstest.Key(1), Dest: ipvstest.Dest(1)}, 9) // not ours
		got, err := w.d.Unanswered()
		want := healthcheck.ID{VirtualServer: "web", RealServer: server(1)}
		if err != nil || len(got) != 1 || got[want] != 4 {
			t.Errorf("%v, %v", got, err)
		}
	})
}
