package cli

import (
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// asked bounds for how many networks beyond a router the routing table is asked, at each
// start and reload. Where servers are beyond routers these are few; 256 questions took
// seconds of an emulated machine's start.
const asked = 16

// towards gives the interfaces by which this machine reaches IPv4 addresses, as far as it
// does. Of addresses in networks of others one of each /24 is looked up.
func towards(addresses []netip.Addr) []string {
	type network struct {
		prefix netip.Prefix
		name   string
	}
	var near []network
	all, err := net.Interfaces()
	if err != nil {
		return nil
	}
	names := map[int]string{}
	for _, i := range all {
		names[i.Index] = i.Name
		own, err := i.Addrs()
		if err != nil || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		for _, a := range own {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && !p.IsSingleIP() {
				near = append(near, network{p.Masked(), i.Name})
			}
		}
	}
	table, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil
	}
	defer table.Close()
	found, far := map[string]bool{}, map[netip.Prefix]bool{}
	for _, a := range addresses {
		if at := slices.IndexFunc(near, func(n network) bool { return n.prefix.Contains(a) }); at >= 0 {
			found[near[at].name] = true
			continue
		}
		beyond := netip.PrefixFrom(a, 24).Masked()
		if far[beyond] || len(far) == asked {
			continue
		}
		far[beyond] = true
		routes, err := table.RouteGet(a.AsSlice())
		if err != nil {
			continue // it is not reached, as its checks say
		}
		for _, r := range routes {
			if name := names[r.LinkIndex]; name != "" && name != "lo" {
				found[name] = true
			}
		}
	}
	list := make([]string, 0, len(found))
	for name := range found {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}
