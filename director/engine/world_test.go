package engine_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/director"
	"usher/director/engine"
	"usher/director/ipvs"
	"usher/director/ipvstest"
	"usher/healthcheck"
)

// world is a director on a kernel in memory, in a bubble of virtual time.
type world struct {
	slow   time.Duration // what the kernel takes to tell of one service
	t      *testing.T
	k      *ipvstest.Kernel
	d      *engine.Engine
	state  string
	cancel context.CancelFunc
	ended  chan error

	mu     sync.Mutex
	events []director.Event
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, k: ipvstest.New(), state: t.TempDir()}
	w.start()
	return w
}

// start runs a new director on the same kernel and state folder.
func (w *world) start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel, w.ended = cancel, make(chan error, 1)
	w.d = engine.New(engine.Options{Kernel: w.kernel(), State: w.state, Events: func(e director.Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.events = append(w.events, e)
	}})
	d, ended := w.d, w.ended
	go func() { ended <- d.Run(ctx) }()
}

// kernel is what the director works with.
func (w *world) kernel() director.Kernel {
	if w.slow == 0 {
		return w.k
	}
	return slowKernel{w.k, w.slow}
}

// slowKernel takes a time to tell of a service, and so for each in the table.
type slowKernel struct {
	*ipvstest.Kernel
	each time.Duration
}

func (k slowKernel) Read() (ipvs.Table, error) {
	t, err := k.Kernel.Read()
	time.Sleep(time.Duration(len(t)) * k.each)
	return t, err
}

func (k slowKernel) Entry(key ipvs.ServiceKey) (ipvs.Entry, bool, error) {
	time.Sleep(k.each)
	return k.Kernel.Entry(key)
}

// halt ends Run as kill -9 would: nothing is cleaned.
func (w *world) halt() {
	w.t.Helper()
	w.cancel()
	if err := <-w.ended; err != nil {
		w.t.Errorf("Run: %v", err)
	}
}

func (w *world) apply(servers ...director.VirtualServer) {
	w.t.Helper()
	if err := w.d.Apply(context.Background(), servers); err != nil {
		w.t.Errorf("Apply: %v", err)
	}
}

// health reports a server up or down and lets the director act.
func (w *world) health(vs string, n int, state healthcheck.State) {
	w.d.SetHealth(healthcheck.Update{
		ID:      healthcheck.ID{VirtualServer: vs, RealServer: server(n)},
		Verdict: healthcheck.Verdict{State: state, Percent: 100, Reason: "test"},
	})
	synctest.Wait()
}

// weights asserts the servers of the kernel's first service by their number.
func (w *world) weights(want map[int]uint32) {
	w.t.Helper()
	synctest.Wait()
	have := map[int]uint32{}
	for dest, d := range w.k.Table()[ipvstest.Key(0)].Destinations {
		have[int(dest.Address.As4()[3])-1] = d.Weight
	}
	if len(have) != len(want) {
		w.t.Errorf("servers %v, want %v", have, want)
		return
	}
	for n, weight := range want {
		if got, ok := have[n]; !ok || got != weight {
			w.t.Errorf("servers %v, want %v", have, want)
			return
		}
	}
}

func (w *world) count(kind director.EventKind) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, e := range w.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func server(n int) netip.AddrPort { return netip.AddrPortFrom(ipvstest.Dest(n).Address, 80) }
