package cli

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
)

// table is a routing table that counts what it is asked.
type table struct {
	links  []netlink.Link
	own    []netlink.Addr
	asked  int
	routes map[string]int // the interface towards an address
}

func (t *table) LinkList() ([]netlink.Link, error) { t.asked++; return t.links, nil }

func (t *table) AddrList(link netlink.Link, _ int) ([]netlink.Addr, error) {
	t.asked++
	return slices.DeleteFunc(slices.Clone(t.own), func(a netlink.Addr) bool {
		return link != nil && a.LinkIndex != link.Attrs().Index
	}), nil
}

func (t *table) RouteGet(destination net.IP) ([]netlink.Route, error) {
	t.asked++
	if index := t.routes[destination.String()]; index != 0 {
		return []netlink.Route{{LinkIndex: index}}, nil
	}
	return nil, fmt.Errorf("no route to %v", destination)
}

// TestTowards: interfaces are found by the networks that they are in, by two questions
// however many they are, and beyond those by one question for each /24.
func TestTowards(t *testing.T) {
	kernel := &table{routes: map[string]int{"198.51.100.1": 3, "127.0.0.2": 1}}
	add := func(index int, name string, flags net.Flags, addresses ...string) {
		kernel.links = append(kernel.links, &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: index, Name: name, Flags: flags}})
		for _, a := range addresses {
			ip, n, err := net.ParseCIDR(a)
			if err != nil {
				t.Fatal(err)
			}
			kernel.own = append(kernel.own, netlink.Addr{IPNet: &net.IPNet{IP: ip, Mask: n.Mask}, LinkIndex: index})
		}
	}
	add(1, "lo", net.FlagLoopback|net.FlagUp, "127.0.0.1/8", "192.0.2.200/32")
	for i := 2; i < 500; i++ {
		add(i, fmt.Sprintf("eth%d", i), net.FlagUp, fmt.Sprintf("10.%d.%d.1/24", i/256, i%256), fmt.Sprintf("203.0.113.%d/32", i%256))
	}
	for _, c := range []struct {
		to    []string
		want  []string
		asked int
	}{
		{nil, []string{}, 2},
		{[]string{"10.0.7.9", "10.1.0.9", "10.0.7.10"}, []string{"eth256", "eth7"}, 2},
		{[]string{"198.51.100.1", "198.51.100.2", "198.51.101.1"}, []string{"eth3"}, 4},
		{[]string{"203.0.113.7"}, []string{}, 3}, // an address without a network is no way
		{[]string{"127.0.0.2"}, []string{}, 3},
	} {
		var to []netip.Addr
		for _, a := range c.to {
			to = append(to, netip.MustParseAddr(a))
		}
		kernel.asked = 0
		if got := ways(kernel, to); !slices.Equal(got, c.want) || kernel.asked != c.asked {
			t.Errorf("towards %v by %v, after %d questions; want %v, %d", c.to, got, kernel.asked, c.want, c.asked)
		}
	}
}
