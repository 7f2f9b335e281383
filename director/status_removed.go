package director

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"usher/director/ipvs"
)

// removedStatus gives the servers that the configuration no longer has and that are still
// in the kernel, for the connections that they have.
func (p *Pool) removedStatus(table ipvs.Table, counters ipvs.CounterTable) []RealServerStatus {
	list := removedServers{why: "removed by a reload"}
	if p.config.Discovered {
		list.why = "no longer listed, or removed by a reload"
	}
	for _, key := range p.config.Keys {
		for dest, l := range p.leaving[key] {
			if d, there := table[key].Destinations[dest]; there {
				list.add(key, dest, l, d, p.config.Forward, counters)
			}
		}
	}
	return list.sorted()
}

// RemovedStatus gives the virtual servers that the configuration no longer has, while their
// servers drain. taken tells whether it has one of a name.
func RemovedStatus(retired map[ipvs.ServiceKey]*Retired, table ipvs.Table, counters ipvs.CounterTable, taken func(name string) bool) []VirtualServerStatus {
	keys := make([]ipvs.ServiceKey, 0, len(retired))
	for key := range retired {
		if _, there := table[key]; there {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, ipvs.ServiceKey.Compare)
	var out []VirtualServerStatus
	lists := map[string]*removedServers{}
	for _, key := range keys {
		r := retired[key]
		name := r.removedName(key, taken)
		i := slices.IndexFunc(out, func(s VirtualServerStatus) bool { return s.Name == name })
		if i < 0 {
			i = len(out)
			s := VirtualServerStatus{
				Name: name, Address: key.String(), Scheduler: r.service.Scheduler, Removed: true, Since: r.since,
				// Nothing is expected of it any more.
				Up: true, Reason: "removed by a reload: it stays for the connections that its servers have",
			}
			if key.Mark == 0 {
				s.Address, s.Protocol = netip.AddrPortFrom(key.Address, key.Port).String(), key.Protocol.String()
			}
			out, lists[name] = append(out, s), &removedServers{why: "removed by a reload"}
		}
		out[i].Counters = out[i].Counters.Plus(counters[key].Service)
		for dest, l := range r.leaving {
			if is, there := table[key].Destinations[dest]; there {
				lists[name].add(key, dest, l, is, r.forward, counters)
			}
		}
		out[i].Forward = r.forward
	}
	for i := range out {
		out[i].Real = lists[out[i].Name].sorted()
		out[i].count()
	}
	return out
}

// removedName gives a name that no virtual server of the configuration has.
func (r *Retired) removedName(key ipvs.ServiceKey, taken func(string) bool) string {
	switch {
	case r.name == "":
		return key.String() + " (removed)"
	case taken(r.name):
		return r.name + " (removed)"
	}
	return r.name
}

// removedServers are those of some services, by address.
type removedServers struct {
	all []RealServerStatus
	why string
}

// add takes what one service has of a server, d.
func (r *removedServers) add(key ipvs.ServiceKey, dest ipvs.DestinationKey, l leaving, d ipvs.Destination, forward Forward, counters ipvs.CounterTable) {
	address := netip.AddrPortFrom(dest.Address, dest.Port)
	i := slices.IndexFunc(r.all, func(s RealServerStatus) bool { return s.Address == address })
	if i < 0 {
		i = len(r.all)
		r.all = append(r.all, RealServerStatus{Address: address, Forward: forwardOf(d.Forward, forward), State: ServerDraining, Removed: true,
			Reason: r.why + "; it serves until another can", Since: l.since})
	}
	s := &r.all[i]
	if l.drain.on {
		s.Reason = fmt.Sprintf("%s, %s", r.why, l.drain)
	}
	s.EffectiveWeight = max(s.EffectiveWeight, int(d.Weight))
	s.Counters = s.Counters.Plus(counters[key].Destinations[dest])
}

func (r *removedServers) sorted() []RealServerStatus {
	slices.SortFunc(r.all, func(a, b RealServerStatus) int {
		return cmp.Or(a.Address.Addr().Compare(b.Address.Addr()), cmp.Compare(a.Address.Port(), b.Address.Port()))
	})
	return r.all
}

// forwardOf gives an operator's forward method for the kernel's: nat is fullnat where the
// virtual server was.
func forwardOf(f ipvs.Forward, of Forward) Forward {
	switch {
	case f == ipvs.DR:
		return DR
	case f == ipvs.Tun:
		return Tun
	case of == FullNAT:
		return FullNAT
	}
	return NAT
}
