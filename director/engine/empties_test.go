package engine_test

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"usher/director"
	"usher/director/ipvstest"
	"usher/healthcheck"
)

// The override that would leave a pool without a server that takes new connections says
// what becomes of clients; no other one says anything, and to ask changes nothing.
func TestOverrideThatEmptiesAPool(t *testing.T) {
	drain, disable := director.Override{Mode: director.OverrideDrain}, director.Override{Mode: director.OverrideDisable}
	zero, five := director.Override{Mode: director.OverrideWeight}, director.Override{Mode: director.OverrideWeight, Weight: 5}
	for _, c := range []struct {
		name     string
		up       []bool // of the servers
		sorry    bool
		override director.Override // of the first one
		want     string
	}{
		{"another is up", []bool{true, true}, false, disable, ""},
		{"another weight", []bool{true, false}, false, five, ""},
		{"lifted", []bool{true, false}, false, director.Override{}, ""},
		{"none is up anyway", []bool{false, false}, false, disable, ""},
		{"drained", []bool{true}, false, drain, "new connections are refused"},
		{"disabled", []bool{true, false}, false, disable, "new connections are refused, and those that there are end now; down already: 10.0.0.2:80"},
		{"weight 0", []bool{true}, false, zero, "new connections are refused"},
		{"with a sorry server", []bool{true}, true, drain, "the sorry server 10.9.9.9:80 gets all new connections"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				defer w.halt()
				vs := pool(len(c.up))
				if c.sorry {
					vs.Sorry = []director.RealServer{{Address: netip.MustParseAddrPort("10.9.9.9:80"), Weight: 1, Forward: vs.Real[0].Forward}}
				}
				w.apply(vs)
				for n, up := range c.up {
					state := healthcheck.Down
					if up {
						state = healthcheck.Up
					}
					w.health("web", n, state)
				}
				before := w.k.Table()
				if got := w.d.Empties("web", server(0), c.override); got != c.want {
					t.Errorf("it says %q, want %q", got, c.want)
				}
				synctest.Wait()
				if s := w.d.Status()[0].Real[0]; s.Override != nil || len(w.k.Table()[ipvstest.Key(0)].Destinations) != len(before[ipvstest.Key(0)].Destinations) {
					t.Errorf("asking changed %+v", s)
				}
			})
		})
	}
}
