package vrrp

import (
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"slices"
)

// The groups that adverts go to where none is configured (RFC 9568 sections
// 5.1.1.2 and 5.1.2.2).
var (
	defaultGroup4 = netip.AddrFrom4([4]byte{224, 0, 0, 18})
	defaultGroup6 = netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 0x12})
)

// VirtualMAC is the virtual router's MAC address: 00:00:5e:00:01:VRID for IPv4,
// 00:00:5e:00:02:VRID for IPv6 (RFC 9568 section 7.3).
func VirtualMAC(vrid uint8, v6 bool) net.HardwareAddr {
	block := byte(1)
	if v6 {
		block = 2
	}
	return net.HardwareAddr{0, 0, 0x5e, 0, block, vrid}
}

// VirtualDevice is the name of the macvlan that carries an instance's virtual MAC
// for one family. The parent interface is in it as a hash: a name has 15 bytes,
// and one VRID may be in use on several interfaces.
func VirtualDevice(c Config, v6 bool) string {
	family := 4
	if v6 {
		family = 6
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(c.Interface))
	return fmt.Sprintf("vrrp%d-%d-%04x", family, c.VRID, uint16(h.Sum32()))
}

// Unbound says that the instance is bound to no interface: adverts go and come by
// whatever interface the routes to its unicast peers lead through.
func (c Config) Unbound() bool { return c.Interface == "" }

// Advertised gives the addresses of one family that adverts carry, in the order
// of the configuration.
func (c Config) Advertised(v6 bool) []netip.Addr {
	var out []netip.Addr
	for _, a := range c.Addresses {
		if !a.Excluded && a.Prefix.Addr().Is6() == v6 {
			out = append(out, a.Prefix.Addr())
		}
	}
	return out
}

// Runs says whether the instance runs a virtual router of a family: it does
// where it advertises an address of it. One that advertises none has the family of
// its unicast peers or else of its source, IPv4 where it has neither.
func (c Config) Runs(v6 bool) bool {
	switch {
	case !c.NoAddresses:
		return len(c.Advertised(v6)) > 0
	case c.Unicast != nil && len(c.Unicast.Peers) > 0:
		return c.Unicast.Peers[0].Address.Is6() == v6
	}
	return (c.Source6.IsValid() && !c.Source4.IsValid()) == v6
}

// Group is the multicast group that a family's adverts go to.
func (c Config) Group(v6 bool) netip.Addr {
	switch {
	case v6 && c.Group6.IsValid():
		return c.Group6
	case v6:
		return defaultGroup6
	case c.Group4.IsValid():
		return c.Group4
	}
	return defaultGroup4
}

// Source is the configured source of a family's adverts; invalid where it
// is to be taken from the interface.
func (c Config) Source(v6 bool) netip.Addr {
	if v6 {
		return c.Source6
	}
	return c.Source4
}

// Peers gives the unicast peers of one family; none in multicast mode.
func (c Config) Peers(v6 bool) []Peer {
	if c.Unicast == nil {
		return nil
	}
	var out []Peer
	for _, p := range c.Unicast.Peers {
		if p.Address.Is6() == v6 {
			out = append(out, p)
		}
	}
	return out
}

// StandIn is the address that is put on an interface for a moment, to try whether
// the kernel takes one: the dummy address of IPv4 (RFC 7600) or one of the prefix
// that IPv6 discards (RFC 6666). Nobody asks for them.
func StandIn(v6 bool) netip.Addr {
	if v6 {
		return netip.AddrFrom16([16]byte{0: 0x01, 15: 0x08})
	}
	return netip.AddrFrom4([4]byte{192, 0, 0, 8})
}

// Needs gives every interface that the instance cannot do without, its own (or VRF)
// first, each once: while one of them is down or not there the instance is in fault.
// Those of what is untracked are left out; those of track_interface have a say of their own.
func (c Config) Needs() []string {
	all := []string{c.Interface, c.VRF}
	add := func(name string, untracked bool) {
		if !untracked {
			all = append(all, name)
		}
	}
	for _, a := range c.Addresses {
		add(a.Interface, a.Untracked)
	}
	for _, r := range c.Routes {
		add(r.Interface, r.Untracked)
	}
	for _, r := range c.Rules {
		add(r.Interface, r.Untracked)
	}
	var once []string
	for _, name := range all {
		if name != "" && !slices.Contains(once, name) {
			once = append(once, name)
		}
	}
	return once
}
