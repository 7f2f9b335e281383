package vrrp

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// ValidateSet gives what is wrong between instances, each of which may be right
// by itself: names and virtual routers given twice, addresses held twice, groups
// that name what is not there. Errors are *FieldError and name the later of two.
func ValidateSet(d Desired) []error {
	var all []error
	names := map[string]bool{}
	held := map[netip.Addr]string{}
	for i, c := range d.Instances {
		f := &faults{name: c.Name}
		if names[c.Name] {
			f.add("name", "rename one", "two instances are named %q", c.Name)
		}
		names[c.Name] = true
		for _, o := range d.Instances[:i] {
			if clash, what := sameVirtualRouter(o, c); clash {
				where := "on " + c.Interface
				if c.Unbound() {
					where = "with these peers"
				}
				f.add("virtual_router_id", "give one of them another number", "instance %q runs %s virtual router %d %s already", o.Name, what, c.VRID, where)
			}
		}
		for _, o := range d.Instances[:i] {
			if link := c.unanswered(o); link != "" {
				f.add("bind", mendUnanswered, unansweredBy, link, o.Name, link)
			}
			if link := o.unanswered(c); link != "" {
				f.add("virtual_mac", mendUnanswered, "instance %q has a local route on %s: "+unansweredBy, o.Name, link, link, c.Name, link)
			}
		}
		for j, a := range c.Addresses {
			addr := a.Prefix.Addr()
			if addr.IsLinkLocalUnicast() {
				continue // means another address on each interface
			}
			if other, twice := held[addr]; twice && other != c.Name {
				f.add(fmt.Sprintf("virtual_addresses[%d]", j), "leave it to one of them", "%v is a virtual address of instance %q already", addr, other)
				continue
			}
			held[addr] = c.Name
		}
		all = append(all, f.all...)
	}
	return append(all, validateGroups(d.Groups, names)...)
}

// What is said of a local route on the interface of another instance's virtual MAC.
const (
	mendUnanswered = `give bind = "address" to the one, or virtual_mac = false to the other`
	unansweredBy   = "%s, which has the virtual MAC of instance %q, answers ARP only for addresses that are on it, so nobody would be answered for an IPv4 address that is a local route on %s alone"
)

// unanswered gives an interface on which an IPv4 address of an instance is a local route
// and which another instance has answer for its own addresses alone; "" for none.
func (c Config) unanswered(o Config) string {
	four := func(a Address) bool {
		return a.Prefix.Addr().Is4() && (a.Interface == "" || a.Interface == o.Interface)
	}
	if c.Bind != BindLocalRoute || !o.VirtualMAC || !slices.ContainsFunc(o.Addresses, four) {
		return ""
	}
	for _, a := range c.Addresses {
		if on := cmp.Or(a.Interface, c.Interface); a.Prefix.Addr().Is4() && on == o.Interface {
			return on
		}
	}
	return ""
}

// sameVirtualRouter says whether two instances could not tell their adverts apart.
func sameVirtualRouter(a, b Config) (bool, string) {
	apart := a.Interface != b.Interface && !a.Unbound() && !b.Unbound()
	if apart || a.VRF != b.VRF && a.Unbound() == b.Unbound() || a.VRID != b.VRID {
		return false, ""
	}
	for _, v6 := range []bool{false, true} {
		if !a.Runs(v6) || !b.Runs(v6) || (a.Unicast == nil) != (b.Unicast == nil) {
			continue
		}
		if a.Unicast == nil {
			if a.Group(v6) == b.Group(v6) {
				return true, familyName(v6)
			}
			continue
		}
		for _, p := range a.Peers(v6) {
			if slices.ContainsFunc(b.Peers(v6), func(o Peer) bool { return o.Address == p.Address }) {
				return true, familyName(v6)
			}
		}
	}
	return false, ""
}

func validateGroups(groups []Group, instances map[string]bool) []error {
	var all []error
	names, member := map[string]bool{}, map[string]string{}
	for _, g := range groups {
		f := &faults{name: g.Name}
		if g.Name == "" {
			f.add("name", "give the group a name", "the name is empty")
		}
		if names[g.Name] {
			f.add("name", "rename one", "two sync groups are named %q", g.Name)
		}
		names[g.Name] = true
		if len(g.Instances) == 0 {
			f.add("instances", "name its instances", "the group is empty")
		}
		for i, name := range g.Instances {
			key := fmt.Sprintf("instances[%d]", i)
			switch other, taken := member[name]; {
			case !instances[name]:
				f.add(key, "name an instance of this configuration", "there is no instance %q", name)
			case taken && other == g.Name:
				f.add(key, "take one out", "instance %q is named twice", name)
			case taken:
				f.add(key, "leave it to one of them", "instance %q is in sync group %q already", name, other)
			default:
				member[name] = g.Name
			}
		}
		all = append(all, f.all...)
	}
	return all
}
