package rtnl

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/vrrp/dump"
	"usher/vrrp/hold"
)

// Words of the configuration in the kernel's numbers.
var (
	routeTypes  = map[string]int{"": unix.RTN_UNICAST, "unicast": unix.RTN_UNICAST, "blackhole": unix.RTN_BLACKHOLE, "unreachable": unix.RTN_UNREACHABLE, "prohibit": unix.RTN_PROHIBIT}
	routeScopes = map[string]netlink.Scope{"global": unix.RT_SCOPE_UNIVERSE, "site": unix.RT_SCOPE_SITE, "link": unix.RT_SCOPE_LINK, "host": unix.RT_SCOPE_HOST}
)

// routeOf translates a route; its protocol is the mark by which ours are known.
func (k *Kernel) routeOf(r hold.Route) (*netlink.Route, error) {
	kind, ok := routeTypes[r.Type]
	if !ok {
		return nil, fmt.Errorf("route type %q: %w", r.Type, errors.ErrUnsupported)
	}
	out := &netlink.Route{
		Dst: ipNet(r.To), Table: r.Table, Priority: r.Metric, MTU: r.MTU, Type: kind, Protocol: mark, Family: family(r.To.Addr()),
	}
	if r.Via.IsValid() {
		out.Gw = r.Via.AsSlice()
	}
	if r.Source.IsValid() {
		out.Src = r.Source.AsSlice()
	}
	if r.Link != "" {
		ifi, err := k.link(r.Link)
		if err != nil {
			return nil, err
		}
		out.LinkIndex = ifi.Index
	}
	switch scope, given := routeScopes[r.Scope]; {
	case given:
		out.Scope = scope
	case r.Scope != "":
		return nil, fmt.Errorf("route scope %q: %w", r.Scope, errors.ErrUnsupported)
	case r.To.Addr().Is4() && kind == unix.RTN_UNICAST && !r.Via.IsValid():
		out.Scope = unix.RT_SCOPE_LINK // nothing between here and there
	}
	return out, nil
}

func (k *Kernel) addRoute(r hold.Route) error {
	route, err := k.routeOf(r)
	if err != nil {
		return err
	}
	return k.handle.RouteAdd(route)
}

func (k *Kernel) removeRoute(r hold.Route) error {
	route, err := k.routeOf(r)
	if err != nil {
		return err
	}
	return k.handle.RouteDel(route)
}

// hasRoute says whether one of our routes has the identity of r.
func (k *Kernel) hasRoute(_ string, r *netlink.Route) (bool, error) {
	filter := &netlink.Route{Dst: r.Dst, Table: r.Table, Protocol: mark, Type: r.Type}
	all, err := dump.Read(func() ([]netlink.Route, error) {
		return k.handle.RouteListFiltered(r.Family, filter, netlink.RT_FILTER_DST|netlink.RT_FILTER_TABLE|netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TYPE)
	})
	return len(all) > 0, err
}

// localRoute is what makes an address local: a route in the kernel's local table.
func localRoute(r hold.LocalRoute, index int) *netlink.Route {
	return &netlink.Route{
		Dst: ipNet(netip.PrefixFrom(r.Address, r.Address.BitLen())), Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL,
		Scope: unix.RT_SCOPE_HOST, Protocol: mark, LinkIndex: index, Family: family(r.Address),
	}
}

func (k *Kernel) addLocalRoute(r hold.LocalRoute) error {
	ifi, err := k.link(r.Link)
	if err != nil {
		return err
	}
	if r.Address.Is6() {
		// The kernel answers solicitations for addresses of the interface only,
		// or as a proxy.
		if err := k.proxy(r, ifi.Index, k.handle.NeighSet); err != nil {
			return err
		}
	}
	return k.handle.RouteAdd(localRoute(r, ifi.Index))
}

func (k *Kernel) removeLocalRoute(r hold.LocalRoute) error {
	ifi, err := k.link(r.Link)
	if err != nil {
		return err
	}
	if r.Address.Is6() {
		if err := k.proxy(r, ifi.Index, k.handle.NeighDel); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return k.handle.RouteDel(localRoute(r, ifi.Index))
}

// proxy sets or deletes the entry by which an interface answers for an address.
func (k *Kernel) proxy(r hold.LocalRoute, index int, do func(*netlink.Neigh) error) error {
	return do(&netlink.Neigh{LinkIndex: index, Family: unix.AF_INET6, Flags: netlink.NTF_PROXY, IP: r.Address.AsSlice()})
}

// ruleOf translates a rule.
func ruleOf(r hold.Rule) *netlink.Rule {
	out := netlink.NewRule()
	out.Family = unix.AF_INET
	if r.V6 {
		out.Family = unix.AF_INET6
	}
	out.Table, out.IifName, out.Mark, out.Protocol = r.Table, r.Link, r.Mark, mark
	if r.Mask != 0 {
		out.Mask = &r.Mask
	}
	if r.Priority != 0 {
		out.Priority = r.Priority
	}
	if r.From.IsValid() {
		out.Src = ipNet(r.From.Masked())
	}
	if r.To.IsValid() {
		out.Dst = ipNet(r.To.Masked())
	}
	return out
}

// hasRule says whether the kernel has the rule from us.
func (k *Kernel) hasRule(r hold.Rule) (bool, error) {
	want := ruleOf(r)
	all, err := dump.Read(func() ([]netlink.Rule, error) { return k.handle.RuleList(want.Family) })
	if err != nil {
		return false, err
	}
	text := func(n *net.IPNet) string {
		if n == nil {
			return ""
		}
		return n.String()
	}
	for _, have := range all {
		if have.Protocol == mark && have.Table == want.Table && have.Mark == want.Mark && have.IifName == want.IifName &&
			text(have.Src) == text(want.Src) && text(have.Dst) == text(want.Dst) {
			return true, nil
		}
	}
	return false, nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func family(a netip.Addr) int {
	if a.Is6() {
		return unix.AF_INET6
	}
	return unix.AF_INET
}
