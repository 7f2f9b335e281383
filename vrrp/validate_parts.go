package vrrp

import (
	"fmt"
	"net/netip"
	"slices"
)

var scopes = []string{"", "global", "site", "link", "host"}

// checkAddresses looks at each virtual address and at the lists that adverts carry.
func (c Config) checkAddresses(f *faults) {
	seen := map[netip.Addr]bool{}
	for i, a := range c.Addresses {
		key := fmt.Sprintf("virtual_addresses[%d]", i)
		checkVirtual(f, key, a)
		if addr := a.Prefix.Addr(); seen[addr] {
			f.add(key, "take one out", "%v is given twice", addr)
		} else {
			seen[addr] = true
		}
		if a.Interface != "" {
			checkInterfaceName(f, key+".interface", a.Interface)
		}
		if a.Untracked && (a.Interface == "" || a.Interface == c.Interface) {
			f.add(key+".track", "take it out", "%v is on the instance's own interface, without which it can do nothing", a.Prefix)
		}
		if len(a.Label) > maxName {
			f.add(key+".label", "", "%q is longer than %d bytes", a.Label, maxName)
		}
		if a.Label != "" && a.Prefix.Addr().Is6() {
			f.add(key+".label", "take it out", "an IPv6 address has no label")
		}
		if !slices.Contains(scopes, a.Scope) {
			f.add(key+".scope", "give global, site, link or host", "there is no scope %q", a.Scope)
		}
	}
	v4, v6 := c.Advertised(false), c.Advertised(true)
	const key = "virtual_addresses"
	switch {
	case c.NoAddresses && len(v4)+len(v6) > 0:
		f.add("no_virtual_addresses", "take it out, or set excluded = true in each virtual_address", "there are addresses to advertise")
	case c.NoAddresses:
	case len(v4)+len(v6) == 0:
		f.add(key, "give at least one that is not excluded, or set no_virtual_addresses = true", "an advertisement has to carry an address (RFC 9568 section 5.2.5)")
	case len(v6) > 0 && c.Version == 2:
		f.add(key, "set version = 3", "version 2 is for IPv4 only")
	}
	if c.NoAddresses && c.Runs(true) && c.Version == 2 {
		f.add("version", "set version = 3", "version 2 is for IPv4 only")
	}
	if len(v4) > maxAddrs4 {
		f.add(key, "exclude some from the advertisement", "%d IPv4 addresses are more than the %d that an advertisement carries", len(v4), maxAddrs4)
	}
	most := maxAddrs6
	if c.HMAC != nil {
		most = maxSigned6
	}
	if len(v6) > most {
		f.add(key, "exclude some from the advertisement", "%d IPv6 addresses are more than the %d that an advertisement carries", len(v6), most)
	}
}

func checkVirtual(f *faults, key string, a Address) {
	p := a.Prefix
	addr := p.Addr()
	switch {
	case !p.IsValid():
		f.add(key, `write it as "192.0.2.10/24"`, "not an address with a prefix length")
	case addr.Is4In6() || addr.Zone() != "":
		f.add(key, "write it as a plain IPv4 or IPv6 address", "%v cannot be a virtual address", addr)
	case addr.IsUnspecified() || addr.IsMulticast() || addr.IsLoopback() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		f.add(key, "give a unicast address of your network", "%v cannot be a virtual address", addr)
	case p.IsSingleIP() || (addr.Is4() && p.Bits() == 31):
	case addr == p.Masked().Addr():
		f.add(key, "give an address within it", "%v is the address of the network %v itself", addr, p)
	case addr.Is4() && addr == lastAddr(p):
		f.add(key, "give another address", "%v is the broadcast address of the network %v", addr, p.Masked())
	}
}

// lastAddr is the last address of an IPv4 network.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for i := range b {
		host := max(0, min(8, (i+1)*8-p.Bits()))
		b[i] |= byte(1<<host - 1)
	}
	return netip.AddrFrom4(b)
}

func (c Config) checkUnicast(f *faults) {
	if len(c.Unicast.Peers) == 0 {
		f.add("unicast.peers", "name the other routers", "unicast without peers reaches nobody")
		return
	}
	seen := map[netip.Addr]bool{}
	for i, p := range c.Unicast.Peers {
		key := fmt.Sprintf("unicast.peers[%d]", i)
		switch {
		case !p.Address.IsValid() || p.Address.IsMulticast() || p.Address.IsUnspecified() || p.Address.Is4In6():
			f.add(key, "give a peer's unicast address", "%v cannot be a peer", p.Address)
		case seen[p.Address]:
			f.add(key, "take one out", "%v is given twice", p.Address)
		case p.Address == c.Source4 || p.Address == c.Source6:
			f.add(key, "name the other routers only", "%v is this router's own source", p.Address)
		case c.NoAddresses && !c.Runs(p.Address.Is6()):
			f.add(key, "take it out", "%v is of another family than the first peer, and without virtual addresses an instance has one family", p.Address)
		case !c.Runs(p.Address.Is6()):
			f.add(key, "take it out", "%v can get no adverts: no virtual address is of its family", p.Address)
		}
		seen[p.Address] = true
		if p.MaxTTL != 0 && p.MinTTL > p.MaxTTL {
			f.add(key+".min_ttl", "", "%d is above max_ttl %d", p.MinTTL, p.MaxTTL)
		}
	}
	for _, v6 := range []bool{false, true} {
		if c.Runs(v6) && len(c.Peers(v6)) == 0 {
			f.add("unicast.peers", "name a peer of each family", "the %s addresses have no peer", familyName(v6))
		}
	}
}

func familyName(v6 bool) string {
	if v6 {
		return "IPv6"
	}
	return "IPv4"
}

func (c Config) checkTracks(f *faults) {
	seen := map[string]bool{}
	for i, t := range c.Track {
		key := fmt.Sprintf("track[%d]", i)
		if seen[t.Key()] {
			f.add(key, "take one out", "it is tracked twice")
		}
		seen[t.Key()] = true
		if t.Name == "" {
			f.add(key, "say what to track", "the name is empty")
		}
		f.in(key+".weight", t.Weight, -253, 253)
		if !slices.Contains([]string{"", "up", "down"}, t.Initial) {
			f.add(key+".initial", `give "up" or "down", or take it out`, "there is no initial state %q", t.Initial)
		}
		switch t.Kind {
		case TrackInterface:
			checkInterfaceName(f, key, t.Name)
			checkTrackDelays(f, key, t)
		case TrackScript:
			checkScript(f, key, t)
		case TrackProcess:
			f.in(key+".quorum", max(t.Quorum, 1), 1, 1<<20)
			checkTrackDelays(f, key, t)
		case TrackFile, TrackVirtualServer, TrackBFD:
		default:
			f.add(key, "", "there is no such thing to track as %q", t.Kind)
		}
		if c.Priority == OwnerPriority && t.Weight != 0 {
			f.add(key+".weight", "set weight = 0 or give a priority below 255", "the address owner's priority is never altered")
		}
	}
}

func checkTrackDelays(f *faults, key string, t Track) {
	if least := min(t.UpDelay, t.DownDelay); least < 0 {
		f.add(key+".down_delay", "", "a delay of %v is negative", least)
	}
}

func checkScript(f *faults, key string, t Track) {
	if len(t.Command) == 0 || t.Command[0] == "" {
		f.add(key+".command", "give the program and its arguments as a list", "no command is given")
	}
	if t.Interval <= 0 {
		f.add(key+".interval", "", "%v is not positive", t.Interval)
	}
	if t.Timeout <= 0 {
		f.add(key+".timeout", "", "%v is not positive", t.Timeout)
	}
	f.in(key+".rise", t.Rise, 1, 1<<20)
	f.in(key+".fall", t.Fall, 1, 1<<20)
}

// routeTypes are the types of virtual routes.
var routeTypes = []string{"", "unicast", "blackhole", "unreachable", "prohibit"}

func (c Config) checkRoutes(f *faults) {
	for i, r := range c.Routes {
		key := fmt.Sprintf("virtual_route[%d]", i)
		if !r.To.IsValid() {
			f.add(key+".to", `write it as "192.0.2.0/24" or "default"`, "not a network")
		}
		for _, a := range []struct {
			key  string
			addr netip.Addr
		}{{".via", r.Via}, {".source", r.Source}} {
			if a.addr.IsValid() && r.To.IsValid() && a.addr.Is6() != r.To.Addr().Is6() {
				f.add(key+a.key, "", "%v is of another family than %v", a.addr, r.To)
			}
		}
		if !slices.Contains(routeTypes, r.Type) {
			f.add(key+".type", "give unicast, blackhole, unreachable or prohibit", "there is no type %q", r.Type)
		}
		if !slices.Contains(scopes, r.Scope) {
			f.add(key+".scope", "give global, site, link or host", "there is no scope %q", r.Scope)
		}
	}
	for i, r := range c.Rules {
		key := fmt.Sprintf("virtual_rule[%d]", i)
		if r.From.IsValid() && r.To.IsValid() && r.From.Addr().Is6() != r.To.Addr().Is6() {
			f.add(key+".to", "", "%v is of another family than %v", r.To, r.From)
		}
		if r.Table <= 0 {
			f.add(key+".table", "name the table to look up", "no table is given")
		}
	}
}
