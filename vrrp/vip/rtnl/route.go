package rtnl

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/vrrp/vip"
)

// Words of the configuration in the kernel's numbers.
var (
	routeTypes  = map[string]int{"": unix.RTN_UNICAST, "unicast": unix.RTN_UNICAST, "blackhole": unix.RTN_BLACKHOLE, "unreachable": unix.RTN_UNREACHABLE, "prohibit": unix.RTN_PROHIBIT}
	routeScopes = map[string]netlink.Scope{"global": unix.RT_SCOPE_UNIVERSE, "site": unix.RT_SCOPE_SITE, "link": unix.RT_SCOPE_LINK, "host": unix.RT_SCOPE_HOST}
)

// routeOf translates a route; its protocol is the mark by which ours are known.
func (k *Kernel) routeOf(r vip.Route) (*netlink.Route, error) {
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
	scope, err := scopeOf(r)
	if err != nil {
		return nil, err
	}
	out.Scope = scope
	return out, nil
}

// scopeOf gives the scope of a route, or where none is given the one that fits.
func scopeOf(r vip.Route) (netlink.Scope, error) {
	switch scope, given := routeScopes[r.Scope]; {
	case given:
		return scope, nil
	case r.Scope != "":
		return 0, fmt.Errorf("route scope %q: %w", r.Scope, errors.ErrUnsupported)
	case r.To.Addr().Is4() && routeTypes[r.Type] == unix.RTN_UNICAST && !r.Via.IsValid():
		return unix.RT_SCOPE_LINK, nil // nothing between here and there
	}
	return 0, nil
}

func (k *Kernel) addRoute(r vip.Route) error {
	route, err := k.routeOf(r)
	if err != nil {
		return err
	}
	err = k.handle.RouteAdd(route)
	if _, known := k.placeOf(r, false); known && errors.Is(err, fs.ErrExist) {
		// It was ours. Where it is somebody else's by now, that has replaced it.
		if seen, e := k.Look([]vip.Object{r}); e == nil && seen[0] == vip.Foreign {
			err = k.handle.RouteReplace(route)
		}
	}
	if err == nil {
		k.place(r, route.LinkIndex)
	}
	return err
}

// removeRoute removes a route by what the kernel tells it from others by, whatever
// else has been made of it.
func (k *Kernel) removeRoute(r vip.Route) error {
	id := r.Identity().(vip.Route)
	link := id.Link
	id.Link = "" // it may have another name by now
	route, err := k.routeOf(id)
	if err != nil {
		return err
	}
	route.Type, route.Scope = 0, unix.RT_SCOPE_NOWHERE // of any
	index, known := k.placeOf(r, true)
	if link != "" && !known {
		ifi, err := k.link(link)
		if err != nil {
			return err
		}
		index = ifi.Index
	}
	if link != "" {
		route.LinkIndex = index
	}
	return k.handle.RouteDel(route)
}

// localRoute is what makes an address local: a route in the kernel's local table.
func localRoute(r vip.LocalRoute, index int) *netlink.Route {
	return &netlink.Route{
		Dst: ipNet(netip.PrefixFrom(r.Address, r.Address.BitLen())), Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL,
		Scope: unix.RT_SCOPE_HOST, Protocol: mark, LinkIndex: index, Family: family(r.Address),
	}
}

// addLocalRoute adds the route beside those that there may be for the address: the
// kernel has one of its own for each that an interface has, and takes it away with
// that.
func (k *Kernel) addLocalRoute(r vip.LocalRoute) error {
	ifi, err := k.link(r.Link)
	if err != nil {
		return err
	}
	if index, known := k.placeOf(r, false); known && index != ifi.Index {
		_ = k.removeLocalRoute(r) // it went with its interface to another name, or is gone with it
	}
	if r.Address.Is6() {
		// The kernel answers solicitations for addresses of the interface only,
		// or as a proxy.
		if err := k.proxy(r, ifi.Index, k.handle.NeighSet); err != nil {
			return err
		}
		err = k.handle.RouteAdd(localRoute(r, ifi.Index)) // of another metric than the kernel's
	} else {
		err = k.handle.RouteAppend(localRoute(r, ifi.Index))
	}
	if err == nil {
		k.place(r, ifi.Index)
	}
	return err
}

func (k *Kernel) removeLocalRoute(r vip.LocalRoute) error {
	index, known := k.placeOf(r, true)
	if !known {
		ifi, err := k.link(r.Link)
		if err != nil {
			return err
		}
		index = ifi.Index
	}
	if r.Address.Is6() {
		if err := k.proxy(r, index, k.handle.NeighDel); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return k.handle.RouteDel(localRoute(r, index))
}

// proxy sets or deletes the entry by which an interface answers for an address.
func (k *Kernel) proxy(r vip.LocalRoute, index int, do func(*netlink.Neigh) error) error {
	return do(&netlink.Neigh{LinkIndex: index, Family: unix.AF_INET6, Flags: netlink.NTF_PROXY, IP: r.Address.AsSlice()})
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
