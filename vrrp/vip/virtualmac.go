package vip

import (
	"slices"

	"usher/vrrp"
)

// virtualMAC adds what carries the virtual MAC: a macvlan for each family, which
// is up only while the instance is active, and the settings that keep the kernel
// from mixing it up with the interface below.
func (p *plan) virtualMAC(c vrrp.Config) {
	if !c.VirtualMAC {
		return
	}
	for _, v6 := range []bool{false, true} {
		if !slices.ContainsFunc(c.Addresses, func(a vrrp.Address) bool { return a.Prefix.Addr().Unmap().Is6() == v6 }) {
			continue
		}
		name := vrrp.VirtualDevice(c, v6)
		p.standing = append(p.standing, Macvlan{Name: name, Parent: c.Interface, MAC: [6]byte(vrrp.VirtualMAC(c.VRID, v6))})
		set := func(key, value string) {
			p.standing = append(p.standing, Sysctl{Owner: c.Name, Key: key, Value: value})
		}
		if v6 {
			dev := "net/ipv6/conf/" + name + "/"
			// Nothing but virtual addresses shall ever be on it.
			set(dev+"addr_gen_mode", "1")
			set(dev+"accept_ra", "0")
			set(dev+"autoconf", "0")
			// Each interface would answer ARP for every address of the machine.
			set("net/ipv4/conf/"+name+"/arp_ignore", "8")
		} else {
			dev, base := "net/ipv4/conf/"+name+"/", "net/ipv4/conf/"+c.Interface+"/"
			set("net/ipv6/conf/"+name+"/disable_ipv6", "1")
			// Each answers for its own addresses alone, and asks with its own: else
			// neighbours learn the virtual addresses with the interface's MAC.
			set(dev+"arp_ignore", "1")
			set(base+"arp_ignore", "1")
			set(base+"arp_announce", "2")
			// Clients are reached through the interface below, so what comes in
			// by the macvlan has no route back through it; and the other
			// instance's packets may bear an address of this machine.
			set(dev+"rp_filter", "2")
			set(dev+"accept_local", "1")
		}
		p.objects = append(p.objects, Up{Link: name})
	}
}
