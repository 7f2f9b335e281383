package engine

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"usher/director"
	"usher/director/ipvs"
	"usher/director/ipvstest"
	"usher/healthcheck"
)

// one is a virtual server "web" with one checked server.
func one() (director.VirtualServer, healthcheck.ID) {
	rs := netip.MustParseAddrPort("10.0.0.1:80")
	return director.VirtualServer{
		Name: "web", Keys: []ipvs.ServiceKey{ipvs.AddressKey(ipvs.TCP, netip.MustParseAddrPort("192.0.2.1:80"))},
		Service: ipvs.Service{Scheduler: "rr"}, Forward: director.NAT, Quorum: 1, OnFailure: director.Remove, DrainTimeout: time.Minute,
		Real: []director.RealServer{{Address: rs, Weight: 1, Forward: director.NAT, Checked: true}},
	}, healthcheck.ID{VirtualServer: "web", RealServer: rs}
}

// TestSnapshotStays: what a reader has does not change under him, whatever happens after.
func TestSnapshotStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(Options{Kernel: ipvstest.New(), State: t.TempDir()})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }()
		vs, id := one()
		if err := e.Apply(ctx, []director.VirtualServer{vs}); err != nil {
			t.Fatal(err)
		}
		told := func(state healthcheck.State) *snapshot {
			e.SetHealth(healthcheck.Update{ID: id, Verdict: healthcheck.Verdict{State: state, Percent: 100}})
			synctest.Wait()
			return e.look()
		}
		status := func(v *snapshot) director.RealServerStatus { return v.pools[0].Status(v.table, nil).Real[0] }
		up := told(healthcheck.Up)
		down := told(healthcheck.Down)
		vs.Real[0].Weight = 7
		if err := e.Apply(ctx, []director.VirtualServer{vs}); err != nil {
			t.Fatal(err)
		}
		heavy := told(healthcheck.Up)
		if err := e.Apply(ctx, nil); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			v      *snapshot
			state  director.ServerState
			weight int
		}{"up": {up, director.ServerUp, 1}, "down": {down, director.ServerDown, 0}, "heavy": {heavy, director.ServerUp, 7}} {
			if s := status(c.v); s.State != c.state || s.EffectiveWeight != c.weight {
				t.Errorf("%s: %s of weight %d", name, s.State, s.EffectiveWeight)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// stalled is a kernel that does nothing that it is asked for until it is let go.
type stalled struct {
	*ipvstest.Kernel
	hang chan struct{}
}

func (k *stalled) Apply(ops []ipvs.Op) []error {
	<-k.hang
	return k.Kernel.Apply(ops)
}

// TestNobodyWaitsForTheKernel: while the kernel hangs, whoever says something is done at
// once, and whoever asks after him finds it.
func TestNobodyWaitsForTheKernel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &stalled{ipvstest.New(), make(chan struct{})}
		e := New(Options{Kernel: k, State: t.TempDir()})
		ctx, cancel := context.WithCancel(t.Context())
		ended, applied := make(chan error, 1), make(chan error, 1)
		go func() { ended <- e.Run(ctx) }()
		vs, id := one()
		go func() { applied <- e.Apply(ctx, []director.VirtualServer{vs}) }()
		synctest.Wait()
		begun := time.Now()
		e.SetHealth(healthcheck.Update{ID: id, Verdict: healthcheck.Verdict{State: healthcheck.Up, Percent: 100}})
		e.SetActive("web", true)
		effect, err := e.Override("web", id.RealServer, director.Override{Mode: director.OverrideDisable, By: "ann"})
		if err != nil || effect.Before != 1 || effect.After != 0 || effect.State != director.ServerDisabled {
			t.Errorf("override %+v, %v", effect, err)
		}
		if s := e.Status(); len(s) != 1 || s[0].Real[0].Override == nil || s[0].Real[0].Override.By != "ann" {
			t.Errorf("status %+v", s)
		}
		if busy := e.Stats().Busy; !busy.Equal(begun) {
			t.Errorf("busy since %s", busy)
		}
		if plan, err := e.Plan(ctx, nil); err != nil || !plan.Empty() {
			t.Errorf("plan %v, %v", plan, err)
		}
		if _, _, known := e.Quorum("web"); known {
			t.Error("the quorum is decided")
		}
		if len(e.Warnings()) != 0 || e.Empties("web", id.RealServer, director.Override{Mode: director.OverrideDrain}) != "" {
			t.Error("warned of nothing")
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("it took %s", took)
		}
		close(k.hang)
		if err := <-applied; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if s := e.Status()[0].Real[0]; s.State != director.ServerDisabled {
			t.Errorf("after it %+v", s)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestStatusOfAStuckEngine: where Run itself hangs, the last snapshot is shown, and that it
// hangs.
func TestStatusOfAStuckEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang, stuck := make(chan struct{}), false
		e := New(Options{Kernel: ipvstest.New(), State: t.TempDir(), Events: func(director.Event) {
			if stuck {
				<-hang
			}
		}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }()
		vs, id := one()
		if err := e.Apply(ctx, []director.VirtualServer{vs}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		e.Status()
		stuck = true
		begun := time.Now()
		e.SetHealth(healthcheck.Update{ID: id, Verdict: healthcheck.Verdict{State: healthcheck.Up, Percent: 100}})
		synctest.Wait()
		if s := e.Stats(); !s.Busy.Equal(begun) || time.Since(begun) != lookWithin {
			t.Errorf("busy since %s, told after %s", s.Busy, time.Since(begun))
		}
		if s := e.look(); len(s.pools) != 1 || s.pools[0].Status(s.table, nil).Real[0].State != director.ServerInitial {
			t.Errorf("%d pools, not as they were last shown", len(s.pools))
		}
		close(hang)
		synctest.Wait()
		if s := e.Status(); s[0].Real[0].State != director.ServerUp {
			t.Errorf("status %+v", s)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
