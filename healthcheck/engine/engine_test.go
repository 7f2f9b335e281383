package engine_test

import (
	"context"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/healthcheck"
	"usher/healthcheck/engine"
)

func (b *bench) want(lines ...string) {
	b.t.Helper()
	if diff := cmp.Diff(lines, b.took()); diff != "" {
		b.t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

func TestFirstProbeAtOnceThenRiseAndFall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, one(tcp(server)))
		b.wait(time.Second / 2)
		b.want("0s 10.0.0.1:80 initial down: not probed yet", "0s 10.0.0.1:80 up: tcp: passed")
		b.world.set(server, "refused")
		b.wait(20 * time.Second)
		b.want("6s 10.0.0.1:80 down: tcp: refused (3 times in a row)")
		b.world.set(server, "")
		b.wait(20 * time.Second)
		b.want("24s 10.0.0.1:80 up: tcp: passed (2 times in a row)")
	})
}

func TestInitialAndNoChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trusted, free := one(tcp(server)), one()
		trusted.Initial = healthcheck.Up
		free.ID.RealServer = netip.MustParseAddrPort("10.0.0.2:80")
		w := newWorld()
		w.set(server, "refused")
		b := startIn(t, w, engine.ProberFunc(w.probe), trusted, free)
		b.wait(time.Second / 2)
		b.want("0s 10.0.0.1:80 initial up: not probed yet", "0s 10.0.0.2:80 up: no checks", "0s 10.0.0.1:80 down: tcp: refused")
	})
}

func TestTimeoutIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.latency = time.Hour
		b := startIn(t, w, engine.ProberFunc(w.probe), one(tcp(server)))
		b.wait(1500 * time.Millisecond)
		b.want("0s 10.0.0.1:80 initial down: not probed yet", "1s 10.0.0.1:80 down: tcp: no answer within 1s")
	})
}

func TestInconclusiveTakesNobodyDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, one(tcp(server)))
		b.wait(time.Second / 2)
		b.took()
		b.world.set(server, "inconclusive")
		b.wait(time.Minute)
		b.want()
		if n := b.engine.Stats().Inconclusive; n < 29 {
			t.Errorf("%d inconclusive, want some 30", n)
		}
		s, _ := b.engine.Status(healthcheck.ID{VirtualServer: "web", RealServer: server})
		if s.Verdict.State != healthcheck.Up || s.Checks[0].LastError != "out of descriptors" {
			t.Errorf("status %+v", s)
		}
	})
}

func TestFastInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tcp(server)
		c.FastInterval = 100 * time.Millisecond
		b := start(t, one(c))
		b.wait(time.Second / 2)
		b.took()
		b.world.set(server, "refused")
		b.wait(4 * time.Second)
		b.want("2.2s 10.0.0.1:80 down: tcp: refused (3 times in a row)")
	})
}

func TestSpreadEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		var targets []healthcheck.Target
		for i := range n {
			a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 80)
			targets = append(targets, healthcheck.Target{ID: healthcheck.ID{VirtualServer: "web", RealServer: a}, Checks: []healthcheck.Check{tcp(a)}})
		}
		b := start(t, targets...)
		b.wait(20 * time.Second)
		// The third probe of each, and of all the time between two of them.
		var all []time.Duration
		for _, target := range targets {
			times := b.world.started(target.ID.RealServer)
			if first := times[0].Sub(b.begun); first > 150*time.Millisecond {
				t.Fatalf("%s had its first probe after %s", target.ID.RealServer, first)
			}
			for i := 3; i < len(times); i++ {
				if gap := times[i].Sub(times[i-1]); gap < 1980*time.Millisecond || gap > 2020*time.Millisecond {
					t.Fatalf("%s: %s between two probes", target.ID.RealServer, gap)
				}
			}
			all = append(all, times[3].Sub(b.begun)%(2*time.Second))
		}
		slices.Sort(all)
		buckets := make([]int, 20)
		for _, at := range all {
			buckets[at/(100*time.Millisecond)]++
		}
		for i, got := range buckets {
			if got < 35 || got > 65 {
				t.Errorf("%d probes in tenth %d of a second, want about 50: %v", got, i, buckets)
			}
		}
		if s := b.engine.Stats(); s.Late != 0 || s.Skipped != 0 || s.Lateness.P99 > 16*time.Millisecond {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestResultsDoNotBreakBatches: a result wakes nobody for a probe that the next batch
// will start anyway.
func TestResultsDoNotBreakBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		var targets []healthcheck.Target
		for i := range n {
			a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 80)
			targets = append(targets, healthcheck.Target{ID: healthcheck.ID{VirtualServer: "web", RealServer: a}, Checks: []healthcheck.Check{tcp(a)}})
		}
		w := newWorld()
		counter := &batches{Prober: engine.ProberFunc(w.probe)}
		b := startIn(t, w, counter, targets...)
		b.wait(5 * time.Second)
		before := counter.n.Load()
		b.wait(10 * time.Second)
		if got := counter.n.Load() - before; got > 667 {
			t.Errorf("5000 probes were started in %d batches within 10 s, want at most 667: one each 15 ms", got)
		}
	})
}

type batches struct {
	engine.Prober
	n atomic.Int64
}

func (b *batches) Start(ctx context.Context, jobs []healthcheck.Job) {
	b.n.Add(1)
	b.Prober.Start(ctx, jobs)
}

func TestIdenticalProbesRunOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		strict := tcp(server)
		strict.Fall, strict.Rise = 1, 5
		b := start(t, one(tcp(server)), healthcheck.Target{ID: healthcheck.ID{VirtualServer: "other", RealServer: server}, Checks: []healthcheck.Check{strict}})
		b.wait(19 * time.Second)
		if got := len(b.world.started(server)); got > 12 {
			t.Errorf("%d probes in 19 s at an interval of 2 s", got)
		}
		if s := b.engine.Stats(); s.Checks != 1 {
			t.Errorf("%d probes, want 1 for both", s.Checks)
		}
		b.took()
		b.world.set(server, "refused")
		b.wait(2 * time.Second)
		if got := b.took(); len(got) != 1 || !strings.HasSuffix(got[0], "down: tcp: refused") {
			t.Errorf("after one failure: %q, want the strict one down alone", got)
		}
	})
}

func TestApplyKeepsStateAndSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, one(tcp(server)))
		b.wait(9 * time.Second)
		b.took()
		before := b.world.started(server)
		other := netip.MustParseAddrPort("10.0.0.9:80")
		added := healthcheck.Target{ID: healthcheck.ID{VirtualServer: "web", RealServer: other}, Checks: []healthcheck.Check{tcp(other)}}
		if err := b.engine.Apply([]healthcheck.Target{one(tcp(server)), added}); err != nil {
			t.Fatal(err)
		}
		b.wait(10 * time.Second)
		b.want("9s 10.0.0.9:80 initial down: not probed yet", "9s 10.0.0.9:80 up: tcp: passed")
		times := b.world.started(server)
		for i := len(before); i < len(times); i++ {
			if gap := times[i].Sub(times[i-1]); gap != 2*time.Second {
				t.Errorf("%s between two probes of an unchanged check", gap)
			}
		}

		// A changed check: the server stays as it is until the first result decides.
		b.world.set(server, "refused")
		changed := tcp(server)
		changed.Timeout = 900 * time.Millisecond
		if err := b.engine.Apply([]healthcheck.Target{one(changed)}); err != nil {
			t.Fatal(err)
		}
		b.wait(time.Second)
		b.want("19s 10.0.0.1:80 down: tcp: refused")
		if got := len(b.engine.Statuses()); got != 1 {
			t.Errorf("%d servers, want 1", got)
		}
		probes := len(b.world.started(other))
		b.wait(10 * time.Second)
		if got := len(b.world.started(other)); got != probes {
			t.Errorf("a server that was taken out is still probed")
		}
	})
}

func TestApplyIsAllOrNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, one(tcp(server)))
		b.wait(time.Second)
		bad := one(tcp(server))
		bad.Checks[0].Interval, bad.Checks[0].Rise = 0, 0
		err := b.engine.Apply([]healthcheck.Target{bad, bad})
		for _, want := range []string{"is there twice", "interval: 0s is not between", "rise: 0 successes"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v lacks %q", err, want)
			}
		}
		b.took()
		b.world.set(server, "refused")
		b.wait(10 * time.Second)
		if got := b.took(); len(got) != 1 {
			t.Errorf("the old checks do not go on: %q", got)
		}
	})
}

// TestIdleChecksHaveNoGoroutine: between their probes, thousands of checks are
// entries of one queue.
func TestIdleChecksHaveNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var targets []healthcheck.Target
		for i := range 5000 {
			a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 80)
			c := tcp(a)
			c.Interval = time.Minute
			target := one(c)
			target.ID.RealServer = a
			targets = append(targets, target)
		}
		before := runtime.NumGoroutine()
		b := start(t, targets...)
		b.wait(10 * time.Second) // all have had their first probe
		if s := b.engine.Stats(); s.Started < 5000 {
			t.Fatalf("%d probes were begun", s.Started)
		}
		running := 0
		for range 10 {
			b.wait(100 * time.Microsecond)
			running = max(running, runtime.NumGoroutine()-before)
		}
		if running > 20 {
			t.Errorf("%d goroutines for idle checks", running)
		}
	})
}
