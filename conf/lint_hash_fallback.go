package conf

import (
	"fmt"
	"slices"

	"usher/director"
	"usher/director/ipvs"
)

// hashed warns of schedulers that hash clients to servers and refuse those of a
// server with weight 0. sh gives such a server its share of the buckets all the same,
// and mh goes by the last weight that was not 0, so that nobody moves for a drain;
// only with their fallback do both look for another server.
func (b *builder) hashed(c *Config) {
	for _, v := range c.VirtualServers {
		s := v.Service
		if s.Scheduler != "sh" && s.Scheduler != "mh" || s.Flags&ipvs.Sched1 != 0 || len(v.Real) < 2 && len(v.Discover) == 0 || !weightless(v.VirtualServer) {
			continue
		}
		b.warn(b.servers[v.Name].at("scheduler"), "Hashing without fallback", fmt.Sprintf(
			"%s refuses the clients of a server that drains or is quiesced (weight 0); with scheduler_flags = [\"%s-fallback\"] they get another server.",
			s.Scheduler, s.Scheduler))
	}
}

// weightless says whether servers of a pool can stay in the table with weight 0.
func weightless(v director.VirtualServer) bool {
	return v.DrainTimeout > 0 || v.OnFailure == director.Quiesce ||
		slices.ContainsFunc(v.Real, func(r director.RealServer) bool { return r.OnFailure == director.Quiesce })
}
