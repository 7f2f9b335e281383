package engine_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/healthcheck"
	"usher/healthcheck/engine"
)

// world answers probes in virtual time.
type world struct {
	mu      sync.Mutex
	down    map[netip.AddrPort]string
	latency time.Duration
	starts  map[netip.AddrPort][]time.Time
	weight  map[netip.AddrPort]healthcheck.Advice
}

func newWorld() *world {
	return &world{
		down: map[netip.AddrPort]string{}, latency: time.Millisecond,
		starts: map[netip.AddrPort][]time.Time{}, weight: map[netip.AddrPort]healthcheck.Advice{},
	}
}

func (w *world) probe(ctx context.Context, c *healthcheck.Check) healthcheck.Result {
	w.mu.Lock()
	w.starts[c.Address] = append(w.starts[c.Address], time.Now())
	reason, advice, latency := w.down[c.Address], w.weight[c.Address], w.latency
	w.mu.Unlock()
	select {
	case <-ctx.Done():
		return healthcheck.Result{Outcome: healthcheck.Fail, Reason: "no answer within " + c.Timeout.String()}
	case <-time.After(latency):
	}
	switch reason {
	case "":
		return healthcheck.Result{Outcome: healthcheck.Pass, Latency: latency, Advice: advice}
	case "inconclusive":
		return healthcheck.Result{Reason: "out of descriptors"}
	}
	return healthcheck.Result{Outcome: healthcheck.Fail, Reason: reason}
}

func (w *world) set(a netip.AddrPort, reason string) {
	w.mu.Lock()
	w.down[a] = reason
	w.mu.Unlock()
}

func (w *world) started(a netip.AddrPort) []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]time.Time(nil), w.starts[a]...)
}

// bench is an engine that runs in a bubble, and what it delivered.
type bench struct {
	t       *testing.T
	engine  *engine.Engine
	world   *world
	mu      sync.Mutex
	updates []healthcheck.Update
	events  []healthcheck.Event
	begun   time.Time
}

func start(t *testing.T, targets ...healthcheck.Target) *bench {
	t.Helper()
	w := newWorld()
	return startIn(t, w, engine.ProberFunc(w.probe), targets...)
}

// startIn is start in a world that is not as good as new.
func startIn(t *testing.T, w *world, p engine.Prober, targets ...healthcheck.Target) *bench {
	t.Helper()
	b := &bench{t: t, world: w, begun: time.Now()}
	b.engine = engine.New(engine.Options{
		Prober:  p,
		Results: func(u healthcheck.Update) { b.mu.Lock(); b.updates = append(b.updates, u); b.mu.Unlock() },
		Events:  func(e healthcheck.Event) { b.mu.Lock(); b.events = append(b.events, e); b.mu.Unlock() },
	})
	if err := b.engine.Apply(targets); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.engine.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return b
}

// wait lets virtual time pass.
func (b *bench) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// took empties what was delivered, as lines "1.2s 10.0.0.1:80 up: reason".
func (b *bench) took() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var lines []string
	for _, u := range b.updates {
		word := u.Verdict.State.String()
		if u.Verdict.Initial {
			word = "initial " + word
		}
		lines = append(lines, fmt.Sprintf("%s %s %s: %s", u.At.Sub(b.begun).Round(100*time.Millisecond), u.ID.RealServer, word, u.Verdict.Reason))
	}
	b.updates = nil
	return lines
}

var server = netip.MustParseAddrPort("10.0.0.1:80")

func tcp(a netip.AddrPort) healthcheck.Check {
	return healthcheck.Check{
		Type: healthcheck.TypeTCP, Address: a, TCP: &healthcheck.TCP{},
		Interval: 2 * time.Second, Timeout: time.Second, Rise: 2, Fall: 3,
	}
}

func one(checks ...healthcheck.Check) healthcheck.Target {
	return healthcheck.Target{ID: healthcheck.ID{VirtualServer: "web", RealServer: server}, Checks: checks}
}
