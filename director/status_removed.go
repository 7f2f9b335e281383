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
func (p *Pool) removedStatus(shadow ipvs.Table, counters ipvs.CounterTable) []RealServerStatus {
	var list removedServers
	for _, key := range p.config.Keys {
		for dest, l := range p.leaving[key] {
			if d, there := shadow[key].Destinations[dest]; there {
				list.add(key, dest, l, d, p.config.Forward, counters)
			}
		}
	}
	return list.sorted()
}

// removedServices gives the virtual servers that the configuration no longer has, while
// their servers drain. Caller holds mu.
func (d *Director) removedServices(counters ipvs.CounterTable) []VirtualServerStatus {
	keys := make([]ipvs.ServiceKey, 0, len(d.retired))
	for key := range d.retired {
		if _, there := d.shadow[key]; there {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, ipvs.ServiceKey.Compare)
	var out []VirtualServerStatus
	lists := map[string]*removedServers{}
	for _, key := range keys {
		r := d.retired[key]
		name := d.removedName(r.name, key)
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
			out, lists[name] = append(out, s), &removedServers{}
		}
		out[i].Counters = out[i].Counters.Plus(counters[key].Service)
		for dest, l := range r.leaving {
			if is, there := d.shadow[key].Destinations[dest]; there {
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
func (d *Director) removedName(name string, key ipvs.ServiceKey) string {
	switch {
	case name == "":
		return key.String() + " (removed)"
	case d.pools[name] != nil:
		return name + " (removed)"
	}
	return name
}

// removedServers are those of some services, by address.
type removedServers struct{ all []RealServerStatus }

// add takes what one service has of a server, d.
func (r *removedServers) add(key ipvs.ServiceKey, dest ipvs.DestinationKey, l leaving, d ipvs.Destination, forward Forward, counters ipvs.CounterTable) {
	address := netip.AddrPortFrom(dest.Address, dest.Port)
	i := slices.IndexFunc(r.all, func(s RealServerStatus) bool { return s.Address == address })
	if i < 0 {
		i = len(r.all)
		r.all = append(r.all, RealServerStatus{Address: address, Forward: forwardOf(d.Forward, forward), State: ServerDraining, Removed: true,
			Reason: "removed by a reload; it serves until another can", Since: l.since})
	}
	s := &r.all[i]
	if l.drain.on {
		s.Reason = fmt.Sprintf("removed by a reload, %s", l.drain)
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
