package conf

import (
	"fmt"
	"slices"

	"usher/director"
	"usher/director/ipvs"
)

// portless warns of ports of real servers that the kernel does not use: a persistent
// service of every port, or of a mark, hands connections on to the port that the client
// asked for (ip_vs_sched_persist).
func (b *builder) portless(c *Config) {
	for _, v := range c.VirtualServers {
		if v.Service.Flags&ipvs.Persistent == 0 || v.Keys[0].Port != 0 {
			continue
		}
		i := slices.IndexFunc(v.Real, func(r director.RealServer) bool {
			return r.Address.Port() != 0 && (r.Forward == director.NAT || r.Forward == director.FullNAT)
		})
		if i < 0 {
			continue
		}
		at, _, _ := b.places[v.Name].find(fmt.Sprintf("real_server[%d]", i))
		b.warn(at, "Port without effect", fmt.Sprintf(
			"With persistence and every port, clients come to the real server on the port that they asked for; %d is only where it is checked. Without persistence a fwmark service uses it.",
			v.Real[i].Address.Port()))
	}
}
