package director_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"usher/director"
	"usher/director/ipvs"
	"usher/healthcheck"
)

// pool is a virtual server "web" of n checked servers of weight 1.
func pool(n int) director.VirtualServer {
	vs := director.VirtualServer{
		Name: "web", Keys: []ipvs.ServiceKey{testKey(0)}, Address: "192.0.2.1:80",
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
		foreign := testKey(1)
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

func TestDriftIsRepaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.apply(pool(2))
		w.health("web", 0, healthcheck.Up)
		w.health("web", 1, healthcheck.Up)
		w.k.Flush()
		time.Sleep(director.DefaultResync + time.Second)
		w.weights(map[int]uint32{0: 1, 1: 1})
		w.k.Apply([]ipvs.Op{
			{Kind: ipvs.EditDestination, Key: testKey(0), Dest: testDest(0), Destination: ipvs.Destination{Weight: 9}},
			{Kind: ipvs.DelDestination, Key: testKey(0), Dest: testDest(1)},
			{Kind: ipvs.AddDestination, Key: testKey(0), Dest: testDest(4), Destination: ipvs.Destination{Weight: 1}},
			{Kind: ipvs.EditService, Key: testKey(0), Service: ipvs.Service{Scheduler: "wrr", Netmask: 32}},
		})
		time.Sleep(director.DefaultResync)
		w.weights(map[int]uint32{0: 1, 1: 1})
		if s := w.k.Table()[testKey(0)].Service.Scheduler; s != "rr" {
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
			vs.Name, vs.Keys = fmt.Sprint("web", n), []ipvs.ServiceKey{testKey(n)}
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
		w.k.Apply([]ipvs.Op{{Kind: ipvs.EditDestination, Key: testKey(3), Dest: testDest(0), Destination: ipvs.Destination{Weight: 9}}})
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
		time.Sleep(director.DefaultResync)
		if !back() {
			t.Errorf("after the fight: %v", w.k.Table())
		}
		time.Sleep(director.DefaultResync)
		w.k.Flush()
		time.Sleep(time.Second)
		if !back() {
			t.Errorf("a second after the next flush: %v", w.k.Table())
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
			if table[testKey(0)].Destinations[testDest(1)].Weight == 7 {
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
			{Kind: ipvs.DelDestination, Key: testKey(0), Dest: testDest(0)},
			{Kind: ipvs.DelDestination, Key: testKey(0), Dest: testDest(1)},
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

func TestDrainWaitsForConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.apply(pool(2))
		w.health("web", 0, healthcheck.Up)
		w.health("web", 1, healthcheck.Up)
		w.k.SetCounters(testKey(0), testDest(0), ipvs.Counters{Active: 3})
		if err := w.d.Override("web", server(0), director.Override{Mode: director.OverrideDrain}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		w.weights(map[int]uint32{0: 0, 1: 1})
		if s := w.d.Status()[0].Real[0]; s.State != director.ServerDraining || s.Override == nil {
			t.Errorf("status %+v", s)
		}
		// Half closed, they may still carry something.
		for packets := range uint64(5) {
			w.k.SetCounters(testKey(0), testDest(0), ipvs.Counters{Inactive: 2, PacketsIn: 10 + packets})
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
		if err := w.d.Override("web", server(0), director.Override{}); err != nil {
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
		w.k.SetCounters(testKey(0), testDest(0), ipvs.Counters{Active: 3})
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
		w.weights(map[int]uint32{0: 1})
		refuse.Store(false)
		time.Sleep(time.Second)
		w.weights(map[int]uint32{1: 1})
	})
}

func TestPlanSaysWhatApplyWillDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.apply(pool(2))
		w.health("web", 0, healthcheck.Up)
		w.health("web", 1, healthcheck.Up)
		next := pool(3)
		next.Service.Scheduler = "wrr"
		next.Real = next.Real[1:]
		next.Real[0].Weight = 5
		report, err := w.d.Plan(context.Background(), []director.VirtualServer{next})
		if err != nil {
			t.Fatal(err)
		}
		want := `web tcp 192.0.2.1:80
  ~ real_server 10.0.0.2:80 nat weight 1 -> nat weight 5
  + real_server 10.0.0.3:80 nat weight 1 (once its checks pass)
  ~ service rr -> wrr (new connections are refused for an instant while the kernel changes the scheduler)
  - real_server 10.0.0.1:80 nat weight 1 -> nat weight 0 (until its connections are gone, 1m0s at the most)
`
		if got := report.String(); got != want {
			t.Errorf("report:\n%s\nwant:\n%s", got, want)
		}
		w.weights(map[int]uint32{0: 1, 1: 1})
		next = pool(2)
		next.Service.Flags, next.Service.Persistence = ipvs.Persistent, 60
		if report, err := w.d.Plan(context.Background(), []director.VirtualServer{next}); err != nil || strings.Contains(report.String(), "refused") || report.Empty() {
			t.Errorf("plan of another persistence: %v, %v", report, err)
		}
		if again, err := w.d.Plan(context.Background(), []director.VirtualServer{pool(2)}); err != nil || !again.Empty() {
			t.Errorf("plan of what runs: %v, %v", again, err)
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

// A plan that is made beside a running director knows whose services go, and how long
// their servers drain.
func TestPlanBesideAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		vs, short := pool(1), pool(1)
		vs.Real[0].Checked = false
		w.apply(vs)
		for timeout, want := range map[time.Duration]string{
			30 * time.Second: "web tcp 192.0.2.1:80\n  - service rr (its servers go to weight 0 first, until their connections are gone, 30s at the most)\n",
			0:                "web tcp 192.0.2.1:80\n  - service rr ! drops connections (0 now)\n",
		} {
			short.DrainTimeout = timeout
			d := director.New(director.Options{Kernel: w.k, State: w.state})
			d.Beside([]director.VirtualServer{short})
			report, err := d.Plan(context.Background(), nil)
			if got := report.String(); err != nil || got != want {
				t.Errorf("%v: planned %q, %v; want %q", timeout, got, err, want)
			}
		}
	})
}

// A service that is being emptied since an earlier reload is no change of the next.
func TestPlanWhileAServiceLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		stays, leaves := pool(1), pool(1)
		leaves.Name, leaves.Keys = "leaves", []ipvs.ServiceKey{testKey(1)}
		stays.Real[0].Checked, leaves.Real[0].Checked = false, false
		w.apply(stays, leaves)
		w.k.SetCounters(testKey(1), testDest(0), ipvs.Counters{Active: 1})
		beside := director.New(director.Options{Kernel: w.k, State: w.state})
		planned := func(when string, empty bool) {
			t.Helper()
			for _, d := range []*director.Director{w.d, beside} {
				if report, err := d.Plan(context.Background(), []director.VirtualServer{stays}); err != nil || report.Empty() != empty {
					t.Errorf("%s planned %v, %v", when, report, err)
				}
			}
		}
		beside.Beside([]director.VirtualServer{stays, leaves})
		planned("before the reload", false)
		w.apply(stays)
		beside.Beside([]director.VirtualServer{stays})
		planned("after it", true)
		if _, there := w.k.Table()[testKey(1)]; !there {
			t.Error("it has left already")
		}
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
		if err := w.d.Override("web", server(1), director.Override{Mode: director.OverrideDisable}); err != nil {
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
