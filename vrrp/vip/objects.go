package vip

import (
	"fmt"
	"net/netip"
	"strings"

	"usher/vrrp"
)

// LocalRoute makes an address local without putting it on an interface, as
// `ip route add local ADDRESS dev LINK` does. For IPv6 the interface answers
// solicitations for it by proxy, which needs forwarding there.
type LocalRoute struct {
	Link    string
	Address netip.Addr
}

// Identity of a local route is all of it.
func (r LocalRoute) Identity() Object { return r }

// String is the route as `ip route add` takes it.
func (r LocalRoute) String() string { return fmt.Sprintf("local %s dev %s", r.Address, r.Link) }

// Route is a route that comes and goes with the addresses.
type Route struct {
	To     netip.Prefix // its family is the route's
	Via    netip.Addr   // invalid for a route without a gateway
	Source netip.Addr   // preferred source; invalid for none
	Link   string       // "" where the gateway says it, or the type needs none
	Table  int          // 254 is main
	Metric int          // 0 for the kernel's default
	MTU    int          // 0 for the interface's
	Scope  string       // "" for what fits
	Type   string       // unicast, blackhole, unreachable or prohibit
}

// Identity of a route is where it leads from, its table and its metric; IPv6 also
// keeps routes apart by their gateway.
func (r Route) Identity() Object {
	id := Route{To: r.To, Table: r.Table, Metric: r.Metric}
	if r.To.Addr().Is6() {
		id.Via, id.Link = r.Via, r.Link
	}
	return id
}

// String is the route as `ip route add` takes it.
func (r Route) String() string {
	var b strings.Builder
	if r.Type != "" && r.Type != "unicast" {
		b.WriteString(r.Type + " ")
	}
	b.WriteString(r.To.String())
	if r.Via.IsValid() {
		b.WriteString(" via " + r.Via.String())
	}
	if r.Link != "" {
		b.WriteString(" dev " + r.Link)
	}
	return fmt.Sprintf("%s table %d", b.String(), r.Table)
}

// Rule is a policy rule that comes and goes with the addresses.
type Rule struct {
	V6       bool
	From, To netip.Prefix // invalid for all
	Mark     uint32
	Mask     uint32
	Link     string // incoming interface
	Table    int
	Priority int // 0 for the kernel's choice
}

// Identity of a rule is all of it.
func (r Rule) Identity() Object { return r }

// String is the rule as `ip rule add` takes it.
func (r Rule) String() string {
	var b strings.Builder
	b.WriteString("rule")
	if r.From.IsValid() {
		b.WriteString(" from " + r.From.String())
	}
	if r.To.IsValid() {
		b.WriteString(" to " + r.To.String())
	}
	if r.Mark != 0 || r.Mask != 0 {
		fmt.Fprintf(&b, " fwmark %#x/%#x", r.Mark, r.Mask)
	}
	if r.Link != "" {
		b.WriteString(" iif " + r.Link)
	}
	fmt.Fprintf(&b, " lookup %d", r.Table)
	return b.String()
}

// Macvlan carries a virtual MAC. It is made in private mode, down, and without
// addresses of its own.
type Macvlan struct {
	Name   string
	Parent string
	MAC    [6]byte
}

// Identity of a macvlan is its name.
func (m Macvlan) Identity() Object { return Macvlan{Name: m.Name} }

// String names the interface.
func (m Macvlan) String() string { return fmt.Sprintf("macvlan %s on %s", m.Name, m.Parent) }

// Up says that an interface is up; to remove it is to take the interface down.
type Up struct{ Link string }

// Identity of it is the interface.
func (u Up) Identity() Object { return u }

// String says what it is.
func (u Up) String() string { return u.Link + " up" }

// Sysctl is a kernel setting that several owners may want. What was there before
// comes back when the last of them lets go.
type Sysctl struct {
	Owner string
	Key   string // below /proc/sys, as in "net/ipv4/conf/eth0/arp_ignore"
	Value string
}

// Identity of a setting is whose wish it is, and the key.
func (s Sysctl) Identity() Object { return Sysctl{Owner: s.Owner, Key: s.Key} }

// String is the setting as sysctl takes it, with slashes.
func (s Sysctl) String() string { return "sysctl " + s.Key + "=" + s.Value }

// Drop keeps packets to an instance's addresses from being delivered, except
// those of neighbour discovery (RFC 9568 section 6.1, Accept_Mode). What IPVS
// serves does not come that far.
type Drop struct {
	Instance  string
	Addresses string // sorted, with spaces between
}

// Identity of it is the instance.
func (d Drop) Identity() Object { return Drop{Instance: d.Instance} }

// String says what it is.
func (d Drop) String() string { return "drop packets to " + d.Addresses }

// kindOf is the kind of an object.
func kindOf(o Object) vrrp.ObjectKind {
	switch o.(type) {
	case LocalRoute:
		return vrrp.ObjectLocalRoute
	case Route:
		return vrrp.ObjectRoute
	case Rule:
		return vrrp.ObjectRule
	case Macvlan:
		return vrrp.ObjectMacvlan
	case Up:
		return vrrp.ObjectLink
	case Sysctl:
		return vrrp.ObjectSetting
	case Drop:
		return vrrp.ObjectFilter
	}
	return vrrp.ObjectAddress
}
