// Package realserver prepares a machine to be a real server of dr and tun
// services: it accepts packets for the VIP, but does not answer for it on the
// network, and takes tunnelled packets out of their wrapping.
//
//	needs := realserver.Needs(servers, local)
//	items, err := realserver.Prepare(state, needs) // Check looks only, Undo takes it back
package realserver

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"

	"usher/director"
	"usher/director/ipvs"
)

// Need is one service that this machine answers by dr or tun.
type Need struct {
	VIP     netip.Addr
	RIP     netip.Addr // of this machine
	Forward director.Forward
	Tunnel  ipvs.Tunnel
}

// Needs gives what servers ask of the machine that has the addresses local.
// Services by nat and fullnat ask nothing. A service of a firewall mark does not
// say which VIP it is for: name it beside a service of the address.
func Needs(servers []director.VirtualServer, local []netip.Addr) []Need {
	var needs []Need
	for _, vs := range servers {
		for _, rs := range slices.Concat(vs.Real, vs.Sorry) {
			rip := rs.Address.Addr().Unmap()
			if rs.Forward != director.DR && rs.Forward != director.Tun || !slices.Contains(local, rip) {
				continue
			}
			for _, key := range vs.Keys {
				n := Need{VIP: key.Address.Unmap(), RIP: rip, Forward: rs.Forward, Tunnel: rs.Tunnel}
				if key.Mark == 0 && !slices.Contains(needs, n) {
					needs = append(needs, n)
				}
			}
		}
	}
	return needs
}

// Kind is what a Step is about.
type Kind string

// The kinds, in the order in which they are done.
const (
	Link    Kind = "link"    // a device is there and up
	Sysctl  Kind = "sysctl"  // a kernel setting has a value
	Port    Kind = "port"    // a UDP port unwraps GUE
	Address Kind = "address" // a device has an address
)

// Step is one thing that a prepared machine has. It is comparable.
type Step struct {
	Kind    Kind       `json:"kind"`
	Device  string     `json:"device,omitempty"` // of links and addresses
	Module  string     `json:"module,omitempty"` // that makes the device or the port
	Local   netip.Addr `json:"local,omitzero"`   // of a tunnel that the module does not make by itself
	Name    string     `json:"name,omitempty"`   // of a sysctl
	Value   string     `json:"value,omitempty"`  // of a sysctl
	Address netip.Addr `json:"address,omitzero"` // of a device
	Port    uint16     `json:"port,omitempty"`   // of GUE
	IPv6    bool       `json:"ipv6,omitempty"`   // family of the port
}

// String names what the step is about.
func (s Step) String() string {
	switch s.Kind {
	case Link:
		return s.Device + " is up"
	case Sysctl:
		return s.Name + " = " + s.Value
	case Port:
		return fmt.Sprintf("UDP port %d unwraps GUE", s.Port)
	}
	return fmt.Sprintf("%s on %s", netip.PrefixFrom(s.Address, s.Address.BitLen()), s.Device)
}

// Steps gives what needs ask for, in the order of doing. The address comes last:
// from then on the machine takes the service's packets, and must not answer ARP.
func Steps(needs []Need) []Step {
	var steps []Step
	add := func(s Step) {
		if !slices.Contains(steps, s) {
			steps = append(steps, s)
		}
	}
	for _, n := range needs {
		if n.VIP.Is4() {
			add(Step{Kind: Sysctl, Name: "net.ipv4.conf.all.arp_ignore", Value: "1"})
			add(Step{Kind: Sysctl, Name: "net.ipv4.conf.all.arp_announce", Value: "2"})
		}
		device := "lo"
		if n.Forward == director.Tun {
			link := tunnel(n)
			device = link.Device
			add(link)
			if n.VIP.Is4() {
				// The client's network is behind another device than the tunnel. The
				// stricter of both settings counts.
				add(Step{Kind: Sysctl, Name: "net.ipv4.conf.all.rp_filter", Value: "0"})
				add(Step{Kind: Sysctl, Name: "net.ipv4.conf." + device + ".rp_filter", Value: "0"})
			}
			if n.Tunnel.Type == ipvs.GUE {
				add(Step{Kind: Port, Module: "fou", Port: n.Tunnel.Port, IPv6: n.RIP.Is6()})
			}
		}
		add(Step{Kind: Address, Device: device, Address: n.VIP})
	}
	order := []Kind{Link, Sysctl, Port, Address}
	slices.SortStableFunc(steps, func(a, b Step) int {
		return cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind))
	})
	return steps
}

// tunnel gives the device that unwraps what the director sends. Each module makes
// a device for packets that no other tunnel wants. Two kinds of packets those
// refuse, and they need a tunnel of their own: GRE with a checksum, since a tunnel
// takes it always or never, and IPv4 in IPv6, since ip6tnl0 takes IPv6 alone.
func tunnel(n Need) Step {
	s := Step{Kind: Link, Device: "tunl0", Module: "ipip"}
	switch {
	case n.Tunnel.Type == ipvs.GRE:
		s.Device, s.Module = "gre0", "ip_gre"
		if n.RIP.Is6() {
			s.Device, s.Module = "ip6gre0", "ip6_gre"
		}
		if n.Tunnel.Flags&ipvs.TunnelCsum != 0 {
			s.Device, s.Local = own("gre", n.RIP), n.RIP
		}
	case n.RIP.Is6():
		s.Device, s.Module = "ip6tnl0", "ip6_tunnel"
		if n.VIP.Is4() {
			s.Device, s.Local = own("tnl", n.RIP), n.RIP
		}
	case n.VIP.Is6():
		s.Device, s.Module = "sit0", "sit"
	}
	return s
}

// conflict is what the machine cannot do at once: a tunnel takes GRE with a checksum
// always or never, so both at one address are one too many.
func conflict(needs []Need) error {
	for _, a := range needs {
		for _, b := range needs {
			if gre := a.Tunnel.Type == ipvs.GRE && b.Tunnel.Type == ipvs.GRE; gre && a.RIP == b.RIP && a.Tunnel != b.Tunnel {
				return fmt.Errorf("realserver: %s gets GRE with and without a checksum, and can take only one of them", a.RIP)
			}
		}
	}
	return nil
}

// own names a tunnel of usher's own: one of a kind for each of the machine's
// addresses, within the 15 characters that a device's name may have.
func own(kind string, rip netip.Addr) string {
	h := fnv.New32a()
	h.Write(rip.AsSlice())
	return fmt.Sprintf("usher%s%07x", kind, h.Sum32()>>4)
}
