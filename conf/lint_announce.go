package conf

import (
	"fmt"
	"net/netip"
	"slices"

	"usher/director"
	"usher/director/announce"
	"usher/director/ipvs"
	"usher/healthcheck"
)

// settleFailures gives each virtual server that says nothing what becomes of its failed
// servers. Where several directors serve at once the servers stay in the pool, so that all
// directors have the same pool in the same order, and pick the same server for a flow.
func settleFailures(c *Config) {
	announced := c.Announced()
	for i := range c.VirtualServers {
		v := &c.VirtualServers[i]
		if v.OnFailure != "" {
			continue
		}
		v.OnFailure = director.Remove
		if announced[v.Name] != "" {
			v.OnFailure = director.Quiesce
		}
	}
}

// announcedSettings turns on what several directors need that serve the same flows: a flow
// that routers move comes in its middle, and ICMP errors come to any of them.
func (c *Config) announcedSettings(s *director.Settings) {
	yes := true
	announced := c.Announced()
	if len(announced) > 0 && s.ScheduleICMP == nil {
		s.ScheduleICMP = &yes
	}
	for i := range c.VirtualServers {
		v := &c.VirtualServers[i]
		if announced[v.Name] != "" && v.Service.Scheduler == "mh" && s.SloppyTCP == nil {
			s.SloppyTCP = &yes
		}
	}
}

// natAnnounced complains of nat where several directors serve: the answers of a server go
// back by one of them, which is not the one that the router chose.
func (b *builder) natAnnounced(v *VirtualServer, of string) {
	uses := func(r director.RealServer) bool { return r.Forward == director.NAT }
	if slices.ContainsFunc(v.Real, uses) || slices.ContainsFunc(v.Sorry, uses) {
		b.complain(b.servers[v.Name].at("forward_method"), "Forward method of one director", "virtual_server %q is of announce %q, and with nat its answers go back by the one director that is the servers' gateway, whichever the routers chose. Write dr or tun; or fullnat, where connections may be lost that routers move.", v.Name, of)
	}
}

// manyDirectors warns of what loses connections that routers move from one director to
// another.
func (b *builder) manyDirectors(c *Config) {
	announced := c.Announced()
	for i := range c.VirtualServers {
		v := &c.VirtualServers[i]
		if announced[v.Name] == "" {
			continue
		}
		for _, w := range c.loses(v) {
			b.warn(b.servers[v.Name].at(w.key), "Connections that move are lost", w.text+".")
		}
	}
	b.unheard(c)
}

// LosesText is what of an announced virtual server loses connections that move, for people.
func (c *Config) LosesText(v *VirtualServer) (all []string) {
	for _, l := range c.loses(v) {
		all = append(all, l.text)
	}
	return all
}

// loss is what loses connections, at a key of a virtual server.
type loss struct{ key, text string }

// loses says what of an announced virtual server loses connections that move.
func (c *Config) loses(v *VirtualServer) (all []loss) {
	add := func(key, format string, args ...any) { all = append(all, loss{key, fmt.Sprintf(format, args...)}) }
	synced := c.Global.IPVS.Sync != nil && c.Global.IPVS.Sync.Instance == ""
	same := v.Service.Scheduler == "mh" && v.Service.Flags&ipvs.Sched1 != 0
	switch {
	case same || synced:
	case v.Service.Scheduler == "mh":
		add("scheduler_flags", "mh without mh-fallback refuses the clients of a server that drains; write scheduler_flags = [\"mh-port\", \"mh-fallback\"] on all directors")
	default:
		add("scheduler", "%s picks another server on each director, so a connection that routers move to another director is reset. Write scheduler = \"mh\" with scheduler_flags = [\"mh-port\", \"mh-fallback\"] on all directors, or an ipvs block with sync and without its instance", v.Service.Scheduler)
	}
	if off := c.Global.IPVS.SloppyTCP; same && !synced && off != nil && !*off {
		add("scheduler", "with sloppy_tcp = false the director that a connection moves to resets it; leave sloppy_tcp out")
	}
	fullnat := func(r director.RealServer) bool { return r.Forward == director.FullNAT }
	if slices.ContainsFunc(v.Real, fullnat) {
		add("forward_method", "with fullnat a connection that moves to another director gets another source port, so the server resets it; dr and tun have no such loss")
	}
	if v.SlowStart > 0 && !synced {
		add("slow_start", "slow_start has each director give a server another weight for a while, so that they pick other servers; leave it out, or synchronise connections (ipvs.sync without instance)")
	}
	if !synced && dynamic(v) {
		add("health_check", "a check sets the weight of servers, which each director hears at another moment, so that they pick other servers meanwhile; synchronise connections (ipvs.sync without instance)")
	}
	return all
}

// dynamic says whether checks set the weight of servers.
func dynamic(v *VirtualServer) bool {
	for _, t := range v.EveryTarget() {
		for _, k := range t.Checks {
			if k.Type == healthcheck.TypeAgent || k.Exec != nil && k.Exec.Weight != "" || k.File != nil && k.File.Mode == "weight" {
				return true
			}
		}
	}
	return false
}

// unheard warns of addresses that no peer can be told of.
func (b *builder) unheard(c *Config) {
	for _, a := range c.Announce {
		for i, p := range a.Prefixes {
			if c.BGP != nil && !slices.ContainsFunc(c.BGP.Peers, func(r announce.Peer) bool { return carries(r, p.Addr()) }) {
				b.warn(b.announced[a.Name].values["addresses"].item(i), "Address that nobody hears of", fmt.Sprintf(
					"%s is announced to no peer: each session is of the other address family. Give a peer next_hop%s, an address of this director.", p.Addr(), digit(p.Addr())))
			}
		}
	}
}

// carries says whether a peer can be told of an address: there is a next hop of its family.
func carries(r announce.Peer, a netip.Addr) bool {
	if a.Is4() {
		return r.Address.Is4() || r.NextHop4.IsValid()
	}
	return r.Address.Is6() || r.NextHop6.IsValid()
}

func digit(a netip.Addr) string {
	if a.Is4() {
		return "4"
	}
	return "6"
}
