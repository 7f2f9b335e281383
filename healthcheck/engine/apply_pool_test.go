package engine_test

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"usher/healthcheck"
)

// of is a target of a virtual server.
func of(name, server string) healthcheck.Target {
	addr := netip.MustParseAddrPort(server)
	t := one(tcp(addr))
	t.ID = healthcheck.ID{VirtualServer: name, RealServer: addr}
	return t
}

// The servers of one pool come and go, and the others keep their state and their place
// in the schedule.
func TestApplyPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, of("a", "10.0.0.1:80"), of("web", "10.0.0.2:80"), of("web", "10.0.0.3:80"), of("z", "10.0.0.4:80"))
		b.wait(time.Second / 2)
		b.took()
		b.world.set(netip.MustParseAddrPort("10.0.0.5:80"), "refused")
		if err := b.engine.ApplyPool("web", []healthcheck.Target{of("web", "10.0.0.3:80"), of("web", "10.0.0.5:80")}); err != nil {
			t.Fatal(err)
		}
		b.wait(10 * time.Second)
		b.want("500ms 10.0.0.5:80 initial down: not probed yet", "500ms 10.0.0.5:80 down: tcp: refused")
		for _, server := range []string{"10.0.0.1:80", "10.0.0.3:80", "10.0.0.4:80"} {
			starts := b.world.started(netip.MustParseAddrPort(server))
			for i := 2; i < len(starts); i++ { // the first is at once, whatever its place
				if gap := starts[i].Sub(starts[i-1]); gap != 2*time.Second {
					t.Errorf("%s: %v between probes %d and %d", server, gap, i-1, i)
				}
			}
			if len(starts) < 5 {
				t.Errorf("%s was probed %d times", server, len(starts))
			}
		}
		if n := len(b.world.started(netip.MustParseAddrPort("10.0.0.2:80"))); n != 1 {
			t.Errorf("a server that left was probed %d times", n)
		}
		var order []string
		for _, s := range b.engine.Statuses() {
			order = append(order, s.ID.VirtualServer+" "+s.ID.RealServer.String())
		}
		if want := []string{"a 10.0.0.1:80", "web 10.0.0.3:80", "web 10.0.0.5:80", "z 10.0.0.4:80"}; !slices.Equal(order, want) {
			t.Errorf("order %q", order)
		}
		// A pool that had none, and one that has none any more.
		if err := b.engine.ApplyPool("new", []healthcheck.Target{of("new", "10.0.0.6:80")}); err != nil {
			t.Fatal(err)
		}
		if err := b.engine.ApplyPool("web", nil); err != nil {
			t.Fatal(err)
		}
		if n := b.engine.Stats().Checks; n != 3 {
			t.Errorf("%d checks", n)
		}
		if err := b.engine.ApplyPool("web", []healthcheck.Target{of("a", "10.0.0.1:80")}); err == nil {
			t.Error("a server of another pool is taken")
		}
	})
}
