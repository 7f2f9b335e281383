package engine_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"usher/healthcheck"
	"usher/healthcheck/engine"
)

func TestFlappingServerIsHeldAndReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tcp(server)
		c.Rise, c.Fall = 1, 1
		target := one(c)
		target.FlapThreshold, target.FlapWindow, target.FlapHold = 3, time.Minute, 10*time.Second
		b := start(t, target)
		b.wait(time.Second)
		for _, reason := range []string{"refused", "", "refused", ""} {
			b.world.set(server, reason)
			b.wait(2 * time.Second)
		}
		got := b.took()
		if len(got) != 6 || !strings.Contains(got[4], "flapping: 3 changes") {
			t.Errorf("delivered %q", got)
		}
		b.wait(12 * time.Second)
		if got := b.took(); len(got) == 0 || !strings.HasSuffix(got[len(got)-1], "up: tcp: passed") {
			t.Errorf("after the hold: %q, want up", got)
		}
	})
}

func TestUnansweredConnectionsTriggerAProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tcp(server)
		c.Interval = time.Minute
		passive := healthcheck.Check{Type: healthcheck.TypePassive, Passive: &healthcheck.Passive{Threshold: 3}}
		b := start(t, one(c, passive))
		b.wait(100 * time.Second)
		before := len(b.world.started(server))
		id := healthcheck.ID{VirtualServer: "web", RealServer: server}
		b.engine.Unanswered(id, 2)
		b.wait(100 * time.Millisecond)
		if got := len(b.world.started(server)); got != before {
			t.Errorf("2 unanswered connections triggered a probe, the threshold is 3")
		}
		b.engine.Unanswered(id, 3)
		b.engine.Unanswered(id, 4)
		b.wait(100 * time.Millisecond)
		if got := len(b.world.started(server)); got != before+1 {
			t.Errorf("%d probes triggered, want 1", got-before)
		}
		b.wait(time.Second)
		b.engine.Unanswered(id, 3)
		b.wait(100 * time.Millisecond)
		if got := len(b.world.started(server)); got != before+2 {
			t.Errorf("%d probes triggered, want another one a second later", got-before)
		}
	})
}

func TestOverloadIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A prober that is stuck makes the engine late, as a starved process is.
		stuck := &stuckProber{Prober: engine.ProberFunc(func(context.Context, *healthcheck.Check) healthcheck.Result {
			return healthcheck.Result{Outcome: healthcheck.Pass}
		})}
		b := startIn(t, newWorld(), stuck, one(tcp(server)))
		b.wait(5 * time.Second)
		stuck.stall.Store(int64(7 * time.Second))
		b.wait(20 * time.Second)
		if s := b.engine.Stats(); s.Late == 0 {
			t.Errorf("no probe counted as late: %+v", s)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.events) != 1 || b.events[0].Kind != healthcheck.EventOverload || !strings.Contains(b.events[0].Message, "started late") {
			t.Errorf("events %+v, want one of overload", b.events)
		}
	})
}

// TestOverloadTakesNobodyDown: a machine that begins every probe long after its time
// says so, over and over but not all the time, and takes no server down that answers;
// one that does not is found all the same.
func TestOverloadTakesNobodyDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.latency = 900 * time.Millisecond // all but the timeout
		stuck := &stuckProber{Prober: engine.ProberFunc(w.probe), always: true}
		stuck.stall.Store(int64(5 * time.Second))
		dead := netip.MustParseAddrPort("10.0.0.2:80")
		w.set(dead, "connection refused")
		other := one(tcp(dead))
		other.ID.RealServer = dead
		b := startIn(t, w, stuck, one(tcp(server)), other)
		b.wait(2 * time.Minute)
		last := map[string]string{}
		for _, line := range b.took() {
			if strings.Contains(line, server.String()+" down") {
				t.Errorf("a server that answers was taken down: %s", line)
			}
			last[strings.Fields(line)[1]] = line
		}
		if got := last[server.String()]; !strings.Contains(got, " up: ") {
			t.Errorf("the server that answers is %q", got)
		}
		if got := last[dead.String()]; !strings.Contains(got, " down: tcp: connection refused") {
			t.Errorf("the server that refuses is %q", got)
		}
		if s := b.engine.Stats(); s.Late < 20 || s.Lateness.Max < 2*time.Second {
			t.Errorf("the probes were late, and the figures are %+v", s)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		for i, e := range b.events {
			if e.Kind != healthcheck.EventOverload || i > 0 && e.At.Sub(b.events[i-1].At) < 10*time.Second {
				t.Errorf("event %d: %+v", i, e)
			}
		}
		if n := len(b.events); n < 3 {
			t.Errorf("%d events in two minutes of overload", n)
		}
	})
}

// stuckProber does not get to run for a while before it begins probes: once, or always.
type stuckProber struct {
	engine.Prober
	stall  atomic.Int64
	always bool
}

func (s *stuckProber) Start(ctx context.Context, jobs []healthcheck.Job) {
	stall := s.stall.Load()
	if !s.always {
		s.stall.Store(0)
	}
	time.Sleep(time.Duration(stall))
	s.Prober.Start(ctx, jobs)
}

func TestResultsComeInOrderToASlowTaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tcp(server)
		c.Rise, c.Fall, c.Interval = 1, 1, 100*time.Millisecond
		w := newWorld()
		var got []healthcheck.State
		e := engine.New(engine.Options{
			Prober: engine.ProberFunc(w.probe),
			Results: func(u healthcheck.Update) {
				time.Sleep(time.Second)
				got = append(got, u.Verdict.State)
			},
		})
		if err := e.Apply([]healthcheck.Target{one(c)}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- e.Run(ctx) }()
		for i := range 10 {
			w.set(server, []string{"", "refused"}[i%2])
			time.Sleep(250 * time.Millisecond)
		}
		time.Sleep(30 * time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if len(got) < 8 {
			t.Fatalf("%d verdicts delivered", len(got))
		}
		for i := 2; i < len(got); i++ {
			if got[i] == got[i-1] {
				t.Errorf("out of order: %v", got)
			}
		}
	})
}

func TestStatusAndHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tcp(server)
		c.Rise, c.Fall, c.Name = 1, 1, "login"
		b := start(t, one(c))
		for i := range 60 {
			b.world.set(server, []string{"", "refused"}[i%2])
			b.wait(2 * time.Second)
		}
		s, ok := b.engine.Status(healthcheck.ID{VirtualServer: "web", RealServer: server})
		if !ok || len(s.History) != healthcheck.HistoryLength {
			t.Fatalf("history of %d, want %d", len(s.History), healthcheck.HistoryLength)
		}
		if !slices.IsSortedFunc(s.History, func(a, b healthcheck.Update) int { return a.At.Compare(b.At) }) {
			t.Errorf("history is out of order")
		}
		check := s.Checks[0]
		if check.Name != "login" || check.NextRun.Before(time.Now()) || check.LastRun.IsZero() || check.Latency == 0 && check.LastError == "" {
			t.Errorf("check %+v", check)
		}
	})
}

func TestDegradedAndWeights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tcp(server)
		c.Slow, c.SlowWeight = 50*time.Millisecond, 30
		b := start(t, one(c))
		b.wait(time.Second / 2)
		b.world.mu.Lock()
		b.world.latency = 60 * time.Millisecond
		b.world.weight[server] = healthcheck.Advice{Weighted: true, Weight: 9}
		b.world.mu.Unlock()
		b.wait(3 * time.Second)
		s, _ := b.engine.Status(healthcheck.ID{VirtualServer: "web", RealServer: server})
		if v := s.Verdict; v.State != healthcheck.Degraded || v.Percent != 30 || v.Weight != 9 || v.Reason != "tcp: slow: answered in 60 ms" {
			t.Errorf("verdict %+v", v)
		}
	})
}

// TestCertificateThatEndsSoon: one event for each certificate, and a status that says
// so from then on until there is another.
func TestCertificateThatEndsSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ends atomic.Int64
		ends.Store(time.Now().Add(time.Hour).Unix())
		prober := engine.ProberFunc(func(context.Context, *healthcheck.Check) healthcheck.Result {
			return healthcheck.Result{Outcome: healthcheck.Pass, Latency: time.Millisecond, Expiry: time.Unix(ends.Load(), 0)}
		})
		c := tcp(server)
		c.Type, c.TCP, c.TLS = healthcheck.TypeTLS, nil, &healthcheck.TLS{ExpiryWarning: 30 * time.Minute}
		b := startIn(t, newWorld(), prober, one(c))
		id := healthcheck.ID{VirtualServer: "web", RealServer: server}
		look := func(events int, expiring bool) {
			t.Helper()
			b.mu.Lock()
			defer b.mu.Unlock()
			if len(b.events) != events || events > 0 && b.events[0].Kind != healthcheck.EventExpiry {
				t.Errorf("events %+v, want %d", b.events, events)
			}
			if s, _ := b.engine.Status(id); s.Checks[0].ExpiringSince.IsZero() == expiring {
				t.Errorf("status %+v, want expiring %t", s.Checks[0], expiring)
			}
		}
		b.wait(29 * time.Minute)
		look(0, false)
		b.wait(2 * time.Minute)
		look(1, true)
		b.wait(20 * time.Minute)
		look(1, true)
		ends.Add(3600 * 1000)
		b.wait(time.Minute)
		look(1, false)
	})
}

func TestJitterStaysWithinBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tcp(server)
		c.Jitter = time.Second
		b := start(t, one(c))
		b.wait(2 * time.Minute)
		times := b.world.started(server)
		varied := false
		for i := 2; i < len(times); i++ {
			gap := times[i].Sub(times[i-1])
			varied = varied || gap != 2*time.Second
			if gap < time.Second-20*time.Millisecond || gap > 3*time.Second+20*time.Millisecond {
				t.Errorf("%s between two probes", gap)
			}
		}
		if !varied {
			t.Errorf("no jitter at all: %v", fmt.Sprint(times))
		}
	})
}
