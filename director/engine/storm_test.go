package engine_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"usher/director"
	"usher/director/engine"
	"usher/director/ipvs"
	"usher/director/ipvstest"
	"usher/healthcheck"
)

// A storm of probe results, operators, reloads, restarts, other people's changes
// and a kernel that refuses, loses answers and cannot be read: one server is
// always up, and the pool never stands empty for want of make-before-break; when
// the storm is over, the kernel is as it should be.
func TestStorm(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) { storm(t, seed) })
	}
}

func storm(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(t)
	defer func() { w.halt() }()
	var raging, flushed atomic.Bool
	// The kernel's calls come from one goroutine, the storm from another: each has
	// dice of its own.
	dice := rand.New(rand.NewPCG(seed, 2))
	errnos := []error{unix.EEXIST, unix.ENOENT, unix.ESRCH, unix.EBUSY, unix.ENOMEM, unix.ETIMEDOUT}
	w.k.Fail = func(ipvs.Op) error {
		if raging.Load() && dice.IntN(4) == 0 {
			return errnos[dice.IntN(len(errnos))]
		}
		return nil
	}
	w.k.Lose = func(ipvs.Op) bool { return raging.Load() && dice.IntN(8) == 0 }
	w.k.ReadFail = func() error {
		if raging.Load() && dice.IntN(8) == 0 {
			return unix.ENOBUFS
		}
		return nil
	}
	w.apply(stormPool(6))
	w.up(0, 1, 2)
	time.Sleep(time.Second)

	w.k.Watch(func(now ipvs.Table) {
		served := ipvstest.Serving(now, ipvstest.Key(0))
		if served {
			flushed.Store(false)
		}
		if !served && !flushed.Load() {
			t.Errorf("seed %d: the pool is empty: %v", seed, now)
		}
	})
	raging.Store(true)
	size, anchor := 6, 0 // the anchor is always up
	for range 200 {
		n := random.IntN(6)
		if n == anchor {
			n = 5
		}
		switch random.IntN(12) {
		case 0:
			size = 3 + random.IntN(4)
			// Refusals are reported, and tried again.
			_ = w.d.Apply(context.Background(), []director.VirtualServer{stormPool(size)})
		case 1:
			modes := []director.OverrideMode{director.OverrideDrain, director.OverrideDisable, director.OverrideNone, director.OverrideNone}
			// One of a server that is not configured now, or before there is a pool, is refused.
			_, _ = w.d.Override("web", server(n), director.Override{Mode: modes[random.IntN(4)]})
		case 2:
			flushed.Store(true)
			w.k.Flush()
		case 3:
			w.halt()
			w.start()
			_ = w.d.Apply(context.Background(), []director.VirtualServer{stormPool(size)})
			w.up(anchor)
		case 4, 5:
			// Another takes its place: up and down at the same moment.
			old := anchor
			anchor = (anchor + 1) % 3
			// After a restart there is no pool until the kernel could be read.
			for tries := 0; ; tries++ {
				if _, err := w.d.Override("web", server(anchor), director.Override{}); err == nil {
					break
				}
				if tries > 1000 {
					t.Fatalf("seed %d: no pool", seed)
				}
				time.Sleep(time.Second)
			}
			for _, u := range []healthcheck.Update{
				{ID: healthcheck.ID{VirtualServer: "web", RealServer: server(anchor)}, Verdict: healthcheck.Verdict{State: healthcheck.Up, Percent: 100}},
				{ID: healthcheck.ID{VirtualServer: "web", RealServer: server(old)}},
			} {
				w.d.SetHealth(u)
			}
			for n := range 6 {
				if n != anchor && random.IntN(2) == 0 {
					w.health("web", n, healthcheck.Down)
				}
			}
		default:
			w.health("web", n, []healthcheck.State{healthcheck.Up, healthcheck.Down}[random.IntN(2)])
		}
		time.Sleep(time.Duration(random.IntN(3000)) * time.Millisecond)
	}
	raging.Store(false)
	time.Sleep(3 * time.Minute)
	status := w.d.Status()[0]
	have := w.k.Table()[ipvstest.Key(0)].Destinations
	in := 0
	for n, rs := range status.Real {
		d, there := have[ipvstest.Dest(n)]
		if int(d.Weight) != rs.EffectiveWeight || rs.State == director.ServerUp && d.Weight != 1 ||
			there && (rs.State == director.ServerDown || rs.State == director.ServerDisabled) {
			t.Errorf("seed %d: server %d is %s, the kernel has it %t with %v", seed, n, rs.State, there, d)
		}
		if there {
			in++
		}
	}
	if in != len(have) || len(w.k.Table()) != 1 {
		t.Errorf("seed %d: the kernel has %v", seed, w.k.Table())
	}
	if plan, err := w.d.Plan(context.Background(), []director.VirtualServer{stormPool(size)}); err != nil || unprobed(plan) {
		t.Errorf("seed %d: left to do, %v:\n%s", seed, err, plan)
	}
}

// unprobed tells whether a plan has more than servers that wait for their checks.
func unprobed(p director.PlanReport) bool {
	for _, c := range p.Changes {
		if !c.Checked {
			return true
		}
	}
	return false
}

func stormPool(n int) director.VirtualServer {
	vs := pool(n)
	vs.DrainTimeout = 20 * time.Second
	return vs
}

// A state folder that cannot be written, a full disk say, is told and tried
// again, but keeps no server from its clients.
func TestUnwritableState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.halt()
		room := filepath.Join(t.TempDir(), "room")
		state := filepath.Join(t.TempDir(), "state")
		if err := os.Symlink(room, state); err != nil { // nothing can be written there until room is
			t.Fatal(err)
		}
		told := 0
		d := engine.New(engine.Options{Kernel: w.k, State: state, Events: func(e director.Event) {
			if e.Kind == director.EventError && strings.Contains(e.Reason, "remember what is owned") {
				told++
			}
		}})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		if err := d.Apply(ctx, []director.VirtualServer{pool(1)}); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := len(w.k.Table()); n != 1 {
			t.Errorf("%d services in the kernel, want 1", n)
		}
		if told != 1 || d.Stats().LastError == "" {
			t.Errorf("told %d times, last error %q", told, d.Stats().LastError)
		}
		if err := os.Mkdir(room, 0o700); err != nil {
			t.Fatal(err)
		}
		time.Sleep(engine.DefaultResync)
		synctest.Wait()
		if _, err := os.Stat(filepath.Join(state, "director.json")); err != nil || d.Stats().LastError != "" {
			t.Errorf("written once there was room: %v; last error %q", err, d.Stats().LastError)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A damaged state is set aside and told: a bad file must not keep a director from
// its work, nor be lost. What a killed process left half written goes.
func TestDamagedState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.halt()
		state := t.TempDir()
		path := filepath.Join(state, "director.json")
		if err := os.WriteFile(path, []byte("{ half"), 0o600); err != nil {
			t.Fatal(err)
		}
		leftover := filepath.Join(state, ".director.json12")
		if err := os.WriteFile(leftover, []byte("{ half"), 0o600); err != nil {
			t.Fatal(err)
		}
		var events []director.Event
		d := engine.New(engine.Options{Kernel: w.k, State: state, Events: func(e director.Event) { events = append(events, e) }})
		if _, err := d.Plan(t.Context(), nil); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Plan, which changes nothing, said %v", err)
		}
		if _, err := os.Stat(leftover); err != nil { // of a daemon that is writing, it may be
			t.Errorf("Plan, which changes nothing: %v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		if err := d.Apply(ctx, []director.VirtualServer{pool(1)}); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		kept, err := os.ReadFile(path + ".damaged")
		if err != nil || string(kept) != "{ half" {
			t.Errorf("kept %q: %v", kept, err)
		}
		if _, err := os.Stat(leftover); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("what was left half written: %v", err)
		}
		if len(events) == 0 || events[0].Kind != director.EventDamaged || !strings.Contains(events[0].Reason, path+".damaged") ||
			!strings.Contains(events[0].Reason, "kernel settings (sysctl, IPVS timeouts) that usher has changed") {
			t.Errorf("events %v", events)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
