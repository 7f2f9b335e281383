package engine

import (
	"fmt"

	"usher/director/ipvs"
	"usher/healthcheck"
)

// Unanswered counts for each real server the TCP connections that it has been
// given and has not answered at this moment, as passive checks want to know. It
// reads the whole connection table: once a second is enough. Servers without such
// connections are left out.
func (d *Engine) Unanswered() (map[healthcheck.ID]int, error) {
	open, err := d.options.Kernel.HalfOpen()
	if err != nil {
		return nil, fmt.Errorf("director: count unanswered connections: %w", err)
	}
	out := map[healthcheck.ID]int{}
	d.mu.Lock()
	defer d.mu.Unlock()
	for route, n := range open {
		for _, key := range d.servicesOf(route.Service) {
			p := d.pools[d.names[key]]
			if rs, ok := p.ServerAt(route.Dest); ok {
				out[healthcheck.ID{VirtualServer: p.Config().Name, RealServer: rs}] += n
			}
		}
	}
	return out, nil
}

// servicesOf gives the service that a connection came for: the one of the very
// port, else the one of every port, else any of a firewall mark, which do not
// show in the connection table. Caller holds mu.
func (d *Engine) servicesOf(key ipvs.ServiceKey) []ipvs.ServiceKey {
	every := key
	every.Port = 0
	for _, k := range []ipvs.ServiceKey{key, every} {
		if d.pools[d.names[k]] != nil {
			return []ipvs.ServiceKey{k}
		}
	}
	var marks []ipvs.ServiceKey
	for _, p := range d.pools {
		for _, k := range p.Config().Keys {
			if k.Mark != 0 {
				marks = append(marks, k)
			}
		}
	}
	return marks
}
