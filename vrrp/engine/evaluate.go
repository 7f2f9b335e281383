package engine

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"usher/vrrp"
)

// evaluateAll looks anew at everything around the machines: interfaces, sources,
// tracks, groups. It runs after every change of any of them; where nothing
// matters to an instance, its machine is not stepped.
func (e *Engine) evaluateAll(now time.Time) {
	if e.closed {
		return
	}
	virtual := e.virtualAddresses()
	own := make(map[*instance]string, len(e.instances))
	for _, in := range e.instances {
		e.trackInterfaces(now, in)
		own[in] = e.locate(now, in, virtual)
		// What is strange first of all, for such an address is no source either.
		own[in] = cmp.Or(e.foreignFault(in), own[in], e.lacks(now, in), e.unanswering(in), in.trackFault(), e.unheld[in.cfg.Name])
	}
	e.announceSources(now)
	for _, in := range e.instances {
		fault := own[in]
		for _, sibling := range in.siblings() {
			if fault == "" && own[sibling] != "" {
				fault = fmt.Sprintf("%s of its sync group: %s", sibling.cfg.Name, own[sibling])
			}
		}
		e.settle(now, in, fault)
	}
}

// settle brings a machine to what its surroundings allow.
func (e *Engine) settle(now time.Time, in *instance, fault string) {
	if p := vrrp.Effective(in.cfg.Priority, in.says()); p != in.m.Priority() {
		was := in.m.Priority()
		e.step(now, in, vrrp.Input{Kind: vrrp.StepPriority, Priority: p}, "")
		e.event(now, in, vrrp.EventPriority, fmt.Sprintf("priority %d, was %d: %s", p, was, in.difference()))
	}
	in.counted = in.tally()
	in.fault = fault
	switch {
	case fault != "":
		if in.m.State() == vrrp.Fault && in.reason != fault {
			in.reason = fault
		}
		e.step(now, in, vrrp.Input{Kind: vrrp.StepFault}, fault)
		in.forgetSources()
	case e.maintenance:
		if in.m.State() == vrrp.Fault {
			e.step(now, in, vrrp.Input{Kind: vrrp.StepStop}, "maintenance")
		}
	case in.m.State() == vrrp.Fault:
		e.begin(now, in, "fault is over")
	default:
		e.begin(now, in, "started")
	}
}

// begin starts a machine, as one that was active a moment ago where a process before
// this one died with it. What is longer past than a peer waits is past.
func (e *Engine) begin(now time.Time, in *instance, reason string) {
	input := vrrp.Input{Kind: vrrp.StepStart}
	if ago := now.Sub(in.resignedAt); !in.resignedAt.IsZero() && ago >= 0 && ago <= in.m.DownInterval() {
		input = vrrp.Input{Kind: vrrp.StepResume, Interval: ago}
	}
	e.step(now, in, input, reason)
	if input.Kind == vrrp.StepResume {
		// As after the resignation of an active router that was heard.
		in.resigned, in.active = in.m.State() == vrrp.Backup, in.ownSource()
	}
	in.resignedAt = time.Time{}
}

// forgetSources drops source addresses that are gone. They are kept until here,
// so that a fault can still be told to the peers from the address that they know.
func (in *instance) forgetSources() {
	for i := range in.families {
		if in.families[i].lost {
			in.families[i].source = netip.Addr{}
		}
	}
}

// virtualAddresses gives every address that any instance may hold: none of
// them can be a source of adverts, though it may be on the interface.
func (e *Engine) virtualAddresses() map[netip.Addr]bool {
	all := map[netip.Addr]bool{}
	for _, in := range e.instances {
		if in.cfg.Priority == vrrp.OwnerPriority {
			continue // the owner's virtual addresses are its own
		}
		for _, a := range in.cfg.Addresses {
			all[a.Prefix.Addr()] = true
		}
	}
	return all
}

// locate finds the devices and source addresses of an instance, and says what is
// missing.
func (e *Engine) locate(now time.Time, in *instance, virtual map[netip.Addr]bool) string {
	parent, addresses, fault := e.device(now, in)
	for i := range in.families {
		f := &in.families[i]
		f.device, f.macvlan = parent, Link{}
		if in.cfg.VirtualMAC {
			f.macvlan = e.links[vrrp.VirtualDevice(in.cfg, f.v6)]
		}
		if reason := e.deaf[unheard{parent.Name, f.v6}]; fault == "" {
			fault = reason
		}
		if fault != "" {
			f.lost = true
			continue
		}
		source := pickSource(in.cfg.Source(f.v6), addresses, f.v6, in.cfg.Unicast == nil, virtual)
		if f.lost = !source.IsValid(); f.lost {
			fault = noSource(in.cfg, f.v6)
			continue
		}
		f.source = source
	}
	return fault
}

// device gives what an instance sends from and is heard on, the addresses that can be
// its source, and what is wrong.
func (e *Engine) device(now time.Time, in *instance) (l Link, sources []netip.Addr, fault string) {
	cfg := in.cfg
	name := cfg.Interface
	if cfg.Unbound() {
		for _, l := range e.links {
			if l.Up {
				sources = append(sources, l.Addresses...)
			}
		}
		if name = cfg.VRF; name == "" {
			return Link{Index: Anywhere, Up: true}, sources, ""
		}
	}
	l, there := e.links[name]
	up, bounced := in.believeLink(ownLink, l, there, e.since(now))
	if fault = in.unusable(name, l, there, up || cfg.DontTrackPrimary); fault == "" && bounced && in.m.State() == vrrp.Active {
		e.ports.Announce(cfg.Name) // switches may have forgotten
	}
	if !cfg.Unbound() {
		sources, fault = l.Addresses, cmp.Or(fault, unhearing(l))
	}
	return l, sources, fault
}

// pickSource chooses the source of adverts: the configured one where it is there,
// else the primary IPv4 address, or the IPv6 link-local address that multicast
// asks for (RFC 9568 section 5.1.2.1).
func pickSource(want netip.Addr, have []netip.Addr, v6, multicast bool, virtual map[netip.Addr]bool) netip.Addr {
	for _, a := range have {
		switch {
		case a.Is6() != v6, virtual[a] && a != want:
		case want.IsValid() && a == want:
			return a
		case !want.IsValid() && (!v6 || a.IsLinkLocalUnicast() == multicast):
			return a
		}
	}
	if v6 && !multicast && !want.IsValid() {
		return pickSource(want, have, v6, true, virtual) // peers may all be on the link
	}
	return netip.Addr{}
}

func noSource(cfg vrrp.Config, v6 bool) string {
	switch want := cfg.Source(v6); {
	case cfg.Unbound():
		return fmt.Sprintf("source address %v is on no interface that is up", want)
	case want.IsValid():
		return fmt.Sprintf("source address %v is not on interface %s", want, cfg.Interface)
	case v6:
		return fmt.Sprintf("interface %s has no IPv6 link-local address to send from", cfg.Interface)
	}
	return fmt.Sprintf("interface %s has no IPv4 address to send from", cfg.Interface)
}

// Sockets gives every device that adverts are received on as things stand, in a
// fixed order. A port is none of them: nothing arrives there, and what was open before is
// opened, and joins its groups, anew when it is no port any more.
func (e *Engine) Sockets() []Socket {
	var out []Socket
	for _, in := range e.instances {
		for _, f := range in.families {
			if f.device.Port != (Port{}) {
				continue
			}
			var groups []netip.Addr
			if !in.cfg.Unbound() {
				groups = append(groups, f.group) // in unicast mode, to find out who multicasts by mistake
			}
			out = addSocket(out, Socket{Interface: f.device.Name, Index: f.device.Index, V6: f.v6, Groups: groups})
			if f.macvlan.Up {
				out = addSocket(out, Socket{Interface: f.macvlan.Name, Index: f.macvlan.Index, V6: f.v6, Macvlan: true})
			}
		}
	}
	return out
}

// addSocket adds a socket, or its groups to the one of its device and family.
func addSocket(all []Socket, s Socket) []Socket {
	if s.Index == 0 {
		return all
	}
	i := slices.IndexFunc(all, func(o Socket) bool { return o.Index == s.Index && o.V6 == s.V6 })
	if i < 0 {
		return append(all, s)
	}
	all[i].Groups = slices.Concat(all[i].Groups, s.Groups)
	slices.SortFunc(all[i].Groups, netip.Addr.Compare)
	all[i].Groups = slices.Compact(all[i].Groups)
	return all
}
