package plan

import (
	"net/netip"

	"usher/cmd/usher/internal/api"
	"usher/director"
	"usher/healthcheck"
)

// Health gives what a running daemon's status says of the health of the servers of
// want, so that a plan is that of a reload, which keeps it. What checks make of a
// weight, the status shows only as the weight in the kernel.
func Health(s api.Status, want []director.VirtualServer) []healthcheck.Update {
	weights := map[healthcheck.ID]int{}
	for _, vs := range want {
		for _, rs := range vs.Real {
			weights[healthcheck.ID{VirtualServer: vs.Name, RealServer: rs.Address}] = rs.Weight
		}
	}
	var out []healthcheck.Update
	for _, vs := range s.VirtualServers {
		for _, rs := range vs.RealServers {
			address, err := netip.ParseAddrPort(rs.Address)
			if err != nil || rs.State == string(director.ServerInitial) {
				continue
			}
			u := healthcheck.Update{ID: healthcheck.ID{VirtualServer: vs.Name, RealServer: address}}
			u.Verdict = healthcheck.Verdict{State: healthcheck.Up, Percent: 100, Reason: rs.Reason}
			weight, known := weights[u.ID]
			switch {
			case rs.Override != nil: // which the state folder has
			case rs.State == string(director.ServerDown):
				u.Verdict = healthcheck.Verdict{State: healthcheck.Down, Reason: rs.Reason}
			case rs.State == string(director.ServerDraining):
				u.Verdict.Drain = true
			case known && !rs.Sorry && !vs.Sorry && rs.Weight > 0 && rs.EffectiveWeight != rs.Weight:
				u.Verdict.Weighted, u.Verdict.Weight = true, (weight*rs.EffectiveWeight+rs.Weight-1)/rs.Weight
			}
			out = append(out, u)
		}
	}
	return out
}
