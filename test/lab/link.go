package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// bridge makes a switch that forwards on a port as soon as it is up: without
// spanning tree, which is the default, and without multicast snooping.
func (n *Node) bridge(name string) error {
	snooping := false
	b := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs(), MulticastSnooping: &snooping}
	b.Name = name
	if err := n.net.LinkAdd(b); err != nil {
		return fmt.Errorf("%s: add bridge %s: %w", n.Name, name, err)
	}
	return n.up(name)
}

// Plug connects a new interface of the node to a bridge and gives it addresses.
// The bridge's port is named NODE-INTERFACE.
func (l *Lab) Plug(n *Node, iface, bridge string, addrs ...string) error {
	netns, err := os.Open(netnsPath(n.netns))
	if err != nil {
		return err
	}
	defer netns.Close()
	master, err := l.LAN.net.LinkByName(bridge)
	if err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = n.Name + "-" + iface
	attrs.MasterIndex = master.Attrs().Index
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: iface, PeerNamespace: netlink.NsFd(int(netns.Fd()))}
	if err := l.LAN.net.LinkAdd(veth); err != nil {
		return fmt.Errorf("plug %s of %s: %w", iface, n.Name, err)
	}
	if err := errors.Join(l.LAN.up(attrs.Name), n.up(iface)); err != nil {
		return err
	}
	for _, a := range addrs {
		if err := n.address(iface, a); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) up(iface string) error {
	link, err := n.net.LinkByName(iface)
	if err == nil {
		err = n.net.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("%s: set %s up: %w", n.Name, iface, err)
	}
	return nil
}

func (n *Node) down(iface string) error {
	link, err := n.net.LinkByName(iface)
	if err == nil {
		err = n.net.LinkSetDown(link)
	}
	if err != nil {
		return fmt.Errorf("%s: set %s down: %w", n.Name, iface, err)
	}
	return nil
}

// isolated makes a bridge's port one that reaches no other of that kind.
func (n *Node) isolated(port string, on bool) error {
	link, err := n.net.LinkByName(port)
	if err == nil {
		err = n.net.LinkSetIsolated(link, on)
	}
	if err != nil {
		return fmt.Errorf("%s: isolate port %s: %w", n.Name, port, err)
	}
	return nil
}

// address adds an address with its prefix length, which can be used at once.
func (n *Node) address(iface, prefix string) error {
	link, err := n.net.LinkByName(iface)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", n.Name, iface, err)
	}
	a, err := netlink.ParseAddr(prefix)
	if err != nil {
		return err
	}
	if a.IP.To4() == nil {
		a.Flags = unix.IFA_F_NODAD
	}
	if err := n.net.AddrAdd(link, a); err != nil {
		return fmt.Errorf("%s: add %s to %s: %w", n.Name, prefix, iface, err)
	}
	return nil
}

func (n *Node) defaultRoute(via netip.Addr) error {
	if err := n.net.RouteAdd(&netlink.Route{Gw: net.IP(via.AsSlice())}); err != nil {
		return fmt.Errorf("%s: default route via %s: %w", n.Name, via, err)
	}
	return nil
}
