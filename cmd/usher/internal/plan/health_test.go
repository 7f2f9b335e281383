package plan_test

import (
	"net/netip"
	"testing"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/plan"
	"usher/director"
	"usher/healthcheck"
)

// What a status says of a server is what its checks must have said.
func TestHealth(t *testing.T) {
	const address = "10.0.0.1:80"
	up := healthcheck.Verdict{State: healthcheck.Up, Percent: 100}
	weighted := func(w int) healthcheck.Verdict {
		v := up
		v.Weighted, v.Weight = true, w
		return v
	}
	draining := up
	draining.Drain = true
	for _, c := range []struct {
		name   string
		server api.RealServer
		sorry  bool // the sorry servers answer
		weight int  // in the new configuration
		want   []healthcheck.Verdict
	}{
		{"up", api.RealServer{State: "up", Weight: 10, EffectiveWeight: 10}, false, 10, []healthcheck.Verdict{up}},
		{"down", api.RealServer{State: "down", Weight: 10, Reason: "refused"}, false, 10, []healthcheck.Verdict{{Reason: "refused"}}},
		{"not probed", api.RealServer{State: "initial", Weight: 10}, false, 10, nil},
		{"half", api.RealServer{State: "up", Weight: 10, EffectiveWeight: 5}, false, 10, []healthcheck.Verdict{weighted(5)}},
		{"half of another weight", api.RealServer{State: "up", Weight: 10, EffectiveWeight: 5}, false, 1, []healthcheck.Verdict{weighted(1)}},
		{"nothing", api.RealServer{State: "up", Weight: 10}, false, 10, []healthcheck.Verdict{weighted(0)}},
		{"below the quorum", api.RealServer{State: "up", Weight: 10}, true, 10, []healthcheck.Verdict{up}},
		{"sorry server in reserve", api.RealServer{State: "up", Weight: 1, Sorry: true}, false, 10, []healthcheck.Verdict{up}},
		{"drains itself", api.RealServer{State: "draining", Weight: 10}, false, 10, []healthcheck.Verdict{draining}},
		{"weighed by an operator", api.RealServer{State: "up", Weight: 10, EffectiveWeight: 7, Override: &api.Override{Mode: "weight", Weight: 7}}, false, 10, []healthcheck.Verdict{up}},
	} {
		c.server.Address = address
		status := api.Status{VirtualServers: []api.VirtualServer{{Name: "web", Sorry: c.sorry, RealServers: []api.RealServer{c.server}}}}
		var got []healthcheck.Verdict
		for _, u := range plan.Health(status, []director.VirtualServer{{Name: "web", Real: []director.RealServer{{Address: netip.MustParseAddrPort(address), Weight: c.weight}}}}) {
			got = append(got, u.Verdict)
		}
		if len(got) != len(c.want) || len(got) == 1 && got[0] != c.want[0] {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
