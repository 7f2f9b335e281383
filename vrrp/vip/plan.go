package vip

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"usher/vrrp"
)

// plan is an instance's configuration as its worker works on it: what to hold,
// in order, and what to announce.
type plan struct {
	config   vrrp.Config
	standing []Object // from configuration to removal, whatever the state is
	objects  []Object // while active, in the order in which they are added
	notices  []notice // one for each address, in the same order
	links    []string // interfaces that send announcements
	lease    time.Duration
	announce vrrp.Announce

	stands  map[Object]bool   // identities of standing
	belongs map[Object]bool   // identities of objects
	spare   map[Object]bool   // of those that the instance does without while their interface is not there
	says    map[Object]notice // notices by what they announce
}

// index makes the maps; an instance may have a thousand addresses.
func (p *plan) index() {
	p.stands, p.belongs, p.says = map[Object]bool{}, map[Object]bool{}, map[Object]notice{}
	for _, o := range p.standing {
		p.stands[o.Identity()] = true
	}
	for _, o := range p.objects {
		p.belongs[o.Identity()] = true
	}
	for _, n := range p.notices {
		p.says[n.of] = n
	}
}

// notice is the announcement of one object.
type notice struct {
	of Object // its identity
	Announcement
}

// scopes are the words of the configuration.
var scopes = map[string]uint8{"": 0, "global": 0, "site": 200, "link": 253, "host": 254}

// tableMain is the kernel's main routing table.
const tableMain = 254

func newPlan(c vrrp.Config) (plan, error) {
	p := plan{config: c, lease: c.Lease, announce: c.Announce, spare: map[Object]bool{}}
	p.announce.Repeat = max(1, p.announce.Repeat)
	p.virtualMAC(c)
	if !c.Accept && c.Priority != vrrp.OwnerPriority && len(c.Addresses) > 0 {
		p.standing = append(p.standing, dropOf(c))
	}
	for _, a := range c.Addresses {
		if err := p.address(c, a); err != nil {
			return plan{}, err
		}
	}
	for _, r := range c.Routes {
		p.objects = append(p.objects, routeOf(r))
		p.spare[routeOf(r).Identity()] = r.Untracked
	}
	for _, r := range c.Rules {
		for _, o := range rulesOf(c, r) {
			p.objects = append(p.objects, o)
			p.spare[o.Identity()] = r.Untracked
		}
	}
	p.index()
	return p, nil
}

// address adds one virtual address and its announcement. With a virtual MAC it is
// on the macvlan, and the announcement, sent by the interface below, carries that MAC.
func (p *plan) address(c vrrp.Config, a vrrp.Address) error {
	scope, ok := scopes[a.Scope]
	if !ok {
		return fmt.Errorf("address %s: unknown scope %q", a.Prefix, a.Scope)
	}
	ip := a.Prefix.Addr().Unmap()
	n := notice{Announcement: Announcement{Link: cmp.Or(a.Interface, c.Interface), Address: ip}}
	on := n.Link
	if c.VirtualMAC && on == c.Interface {
		on = vrrp.VirtualDevice(c, ip.Is6())
		n.MAC = [6]byte(vrrp.VirtualMAC(c.VRID, ip.Is6()))
	}
	var o Object = Address{Link: on, Prefix: netip.PrefixFrom(ip, a.Prefix.Bits()), Label: a.Label, Scope: scope, Lease: c.Lease}
	if c.Bind == vrrp.BindLocalRoute {
		o = LocalRoute{Link: on, Address: ip}
		if ip.Is6() {
			p.standing = append(p.standing, Sysctl{Owner: c.Name, Key: "net/ipv6/conf/" + on + "/proxy_ndp", Value: "1"})
		}
	}
	n.of = o.Identity()
	p.spare[n.of] = a.Untracked
	p.objects = append(p.objects, o)
	p.notices = append(p.notices, n)
	if !slices.Contains(p.links, n.Link) {
		p.links = append(p.links, n.Link)
	}
	return nil
}

// dropOf keeps packets from the addresses of an instance that does not accept them.
func dropOf(c vrrp.Config) Drop {
	var all []string
	for _, a := range c.Addresses {
		all = append(all, a.Prefix.Addr().Unmap().String())
	}
	slices.Sort(all)
	return Drop{Instance: c.Name, Addresses: strings.Join(slices.Compact(all), " ")}
}

func routeOf(r vrrp.Route) Route {
	return Route{
		To: r.To.Masked(), Via: r.Via, Source: r.Source, Link: r.Interface, Table: cmp.Or(r.Table, tableMain),
		Metric: r.Metric, MTU: r.MTU, Scope: r.Scope, Type: cmp.Or(r.Type, "unicast"),
	}
}

// rulesOf gives a rule for each family that it is of: that of its prefixes, or
// those of the instance's addresses.
func rulesOf(c vrrp.Config, r vrrp.Rule) (all []Object) {
	for _, v6 := range []bool{false, true} {
		of := func(p netip.Prefix) bool { return p.IsValid() && p.Addr().Is6() == v6 }
		plain := !r.From.IsValid() && !r.To.IsValid() && slices.ContainsFunc(c.Addresses, func(a vrrp.Address) bool { return of(a.Prefix) })
		if plain || of(r.From) || of(r.To) {
			all = append(all, Rule{V6: v6, From: r.From, To: r.To, Mark: r.Mark, Mask: r.Mask, Link: r.Interface, Table: cmp.Or(r.Table, tableMain), Priority: r.Priority})
		}
	}
	return all
}
