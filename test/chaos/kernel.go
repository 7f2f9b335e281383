package chaos

import (
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/test/lab"
	"usher/vrrp"
	"usher/vrrp/dump"
)

// protocol marks routes and rules as usher's: the IP protocol number of VRRP.
const protocol = 112

// kernel is what one node's kernel has at a moment.
type kernel struct {
	links  map[string]netlink.Link
	addrs  []held          // every address
	locals []held          // local routes of usher's
	routes []netlink.Route // other routes of usher's
	rules  []netlink.Rule  // of usher's
	proxy  int             // proxy neighbours
	tables []string        // nft tables
}

// held is an address on an interface.
type held struct {
	Link string
	Addr netip.Addr
}

// look reads a node's kernel.
func look(n *lab.Node) (kernel, error) {
	k := kernel{links: map[string]netlink.Link{}}
	err := n.Do(k.read)
	return k, err
}

func (k *kernel) read() error {
	links, err := dump.Read(netlink.LinkList)
	if err != nil {
		return err
	}
	names := map[int]string{}
	for _, l := range links {
		k.links[l.Attrs().Name] = l
		names[l.Attrs().Index] = l.Attrs().Name
	}
	addrs, err := dump.Read(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return err
	}
	for _, a := range addrs {
		if ip, ok := netip.AddrFromSlice(a.IP); ok {
			k.addrs = append(k.addrs, held{names[a.LinkIndex], ip.Unmap()})
		}
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		if err := k.readRouting(family, names); err != nil {
			return err
		}
	}
	proxies, err := dump.Read(func() ([]netlink.Neigh, error) { return netlink.NeighProxyList(0, netlink.FAMILY_V6) })
	if err != nil {
		return err
	}
	k.proxy = len(proxies)
	nft, err := nftables.New()
	if err != nil {
		return err
	}
	tables, err := nft.ListTables()
	for _, t := range tables {
		k.tables = append(k.tables, t.Name)
	}
	return err
}

func (k *kernel) readRouting(family int, names map[int]string) error {
	filter := &netlink.Route{Protocol: protocol, Table: unix.RT_TABLE_UNSPEC}
	routes, err := dump.Read(func() ([]netlink.Route, error) {
		return netlink.RouteListFiltered(family, filter, netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return err
	}
	for _, r := range routes {
		if r.Table != unix.RT_TABLE_LOCAL || r.Dst == nil {
			k.routes = append(k.routes, r)
			continue
		}
		if ip, ok := netip.AddrFromSlice(r.Dst.IP); ok {
			k.locals = append(k.locals, held{names[r.LinkIndex], ip.Unmap()})
		}
	}
	rules, err := dump.Read(func() ([]netlink.Rule, error) { return netlink.RuleList(family) })
	for _, r := range rules {
		if r.Protocol == protocol {
			k.rules = append(k.rules, r)
		}
	}
	return err
}

// up says whether an interface is there, up, and has its carrier.
func (k *kernel) up(name string) bool {
	l := k.links[name]
	return l != nil && l.Attrs().RawFlags&unix.IFF_UP != 0 && l.Attrs().RawFlags&unix.IFF_RUNNING != 0
}

// device is the interface that carries a VIP.
func (in Instance) device(v VIP) string {
	if in.VirtualMAC && in.on(v) == in.Interface {
		return vrrp.VirtualDevice(vrrp.Config{Interface: in.Interface, VRID: in.VRID}, v.Prefix.Addr().Is6())
	}
	return in.on(v)
}

// devices are the macvlans of the instance with the MAC that each must have.
func (in Instance) devices() map[string]string {
	all := map[string]string{}
	for _, v := range in.VIPs {
		if d := in.device(v); in.VirtualMAC && in.on(v) == in.Interface {
			all[d] = vrrp.VirtualMAC(in.VRID, v.Prefix.Addr().Is6()).String()
		}
	}
	return all
}

// missing says what is missing of what an active instance holds; "" for nothing.
func (k *kernel) missing(in Instance) string {
	for device, mac := range in.devices() {
		l := k.links[device]
		switch {
		case l == nil:
			return "no macvlan " + device
		case l.Attrs().HardwareAddr.String() != mac:
			return "macvlan " + device + " has the MAC " + l.Attrs().HardwareAddr.String()
		case !k.up(device):
			return "macvlan " + device + " is down"
		}
	}
	for _, v := range in.VIPs {
		have, what := k.addrs, "no address "
		if in.LocalRoute {
			have, what = k.locals, "no local route of "
		}
		if want := (held{in.device(v), v.Prefix.Addr()}); !slices.Contains(have, want) {
			return what + want.Addr.String() + " on " + want.Link
		}
	}
	routes, rules := k.routing(in)
	switch {
	case in.Route && routes != 1:
		return plural(routes, "virtual route") + ", not 1"
	case in.Rule && rules != 1:
		return plural(rules, "virtual rule") + ", not 1"
	}
	return ""
}

// routing counts the instance's own routes and rules.
func (k *kernel) routing(in Instance) (routes, rules int) {
	for _, r := range k.routes {
		if r.Table == in.table() {
			routes++
		}
	}
	for _, r := range k.rules {
		if r.Table == in.table() {
			rules++
		}
	}
	return routes, rules
}

// leftovers is what is there of an instance that is not active, but for what
// somebody else has put there.
func (k *kernel) leftovers(in Instance, byHand map[netip.Addr]bool) []string {
	var all []string
	for _, v := range in.VIPs {
		a := v.Prefix.Addr()
		for _, h := range k.addrs {
			if h.Addr == a && !byHand[a] {
				all = append(all, "address "+a.String()+" on "+h.Link)
			}
		}
		for _, h := range k.locals {
			if h.Addr == a {
				all = append(all, "local route of "+a.String()+" on "+h.Link)
			}
		}
	}
	routes, rules := k.routing(in)
	if routes > 0 {
		all = append(all, plural(routes, "virtual route"))
	}
	if rules > 0 {
		all = append(all, plural(rules, "virtual rule"))
	}
	return all
}

// remains is what of usher's is there after its end.
func (k *kernel) remains() []string {
	var all []string
	for _, h := range k.locals {
		all = append(all, "local route of "+h.Addr.String()+" on "+h.Link)
	}
	if len(k.routes) > 0 {
		all = append(all, plural(len(k.routes), "route"))
	}
	if len(k.rules) > 0 {
		all = append(all, plural(len(k.rules), "rule"))
	}
	if k.proxy > 0 {
		all = append(all, plural(k.proxy, "proxy neighbour"))
	}
	for name, l := range k.links {
		if l.Type() == "macvlan" && strings.HasPrefix(name, "vrrp") {
			all = append(all, "macvlan "+name)
		}
	}
	for _, t := range k.tables {
		if strings.HasPrefix(t, "usher") {
			all = append(all, "nft table "+t)
		}
	}
	return all
}

// settings reads kernel parameters of a node, as in "net/ipv4/ip_forward"; one that
// is not there is left out.
func settings(n *lab.Node, keys []string) (map[string]string, error) {
	all := map[string]string{}
	err := n.Do(func() error {
		for _, k := range keys {
			if b, err := os.ReadFile("/proc/sys/" + k); err == nil {
				all[k] = strings.TrimSpace(string(b))
			}
		}
		return nil
	})
	return all, err
}
