package cli

import (
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/vrrp/dump"
)

// asked bounds for how many networks beyond a router the routing table is asked, at each
// start and reload. Where servers are beyond routers these are few; 256 questions took
// seconds of an emulated machine's start.
const asked = 16

// towards gives the interfaces by which this machine reaches IPv4 addresses, as far as it
// does. Of addresses in networks of others one of each /24 is looked up.
func towards(addresses []netip.Addr) []string {
	table, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil
	}
	defer table.Close()
	return ways(table, addresses)
}

// routing is what the kernel is asked: each of it is a question, a list one for all of it.
type routing interface {
	LinkList() ([]netlink.Link, error)
	AddrList(link netlink.Link, family int) ([]netlink.Addr, error)
	RouteGet(destination net.IP) ([]netlink.Route, error)
}

// ways is towards by a routing table. Addresses are listed once, not once for each
// interface, of which a director may have hundreds.
func ways(table routing, addresses []netip.Addr) []string {
	type network struct {
		prefix netip.Prefix
		name   string
	}
	var near []network
	links, err := dump.Latest(table.LinkList)
	if err != nil {
		return nil
	}
	names := map[int]string{}
	for _, l := range links {
		if a := l.Attrs(); a.Flags&net.FlagLoopback == 0 {
			names[a.Index] = a.Name
		}
	}
	// A nil link stands for all of them.
	own, err := dump.Latest(func() ([]netlink.Addr, error) { return table.AddrList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return nil
	}
	for _, a := range own {
		address, ok := netip.AddrFromSlice(a.IP.To4())
		bits, _ := a.Mask.Size()
		if name := names[a.LinkIndex]; ok && name != "" && bits < address.BitLen() {
			near = append(near, network{netip.PrefixFrom(address, bits).Masked(), name})
		}
	}
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
			if name := names[r.LinkIndex]; name != "" {
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
