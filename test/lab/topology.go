package lab

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
)

// The addresses of the lab, those of the files in conf/examples.
var (
	VIP     = netip.MustParseAddr("192.168.60.200")
	AddrA   = netip.MustParseAddr("192.168.60.2")
	AddrB   = netip.MustParseAddr("192.168.60.3")
	BackVIP = netip.MustParseAddr("10.1.0.1") // the real servers' default route with nat
	Service = netip.AddrPortFrom(VIP, 9376)
	RIPs    = []netip.Addr{
		netip.MustParseAddr("10.1.2.3"),
		netip.MustParseAddr("10.1.4.5"),
		netip.MustParseAddr("10.1.3.8"),
	}
)

// Clients is how many addresses the client has, 192.168.60.100 and on: services
// with persistence send one address to one server.
const Clients = 30

// ClientAddr is the client's address number i, 0 to Clients-1.
func ClientAddr(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 168, 60, byte(100 + i)}) }

// build makes the topology:
//
//	client ----+---------------- front 192.168.60.0/24, fd00:60::/64
//	           |         |
//	      a .2 (eth0)  b .3 (eth0)
//	      a .2 (eth1)  b .3 (eth1)
//	           |         |
//	-----------+----+----+------ back 10.1.0.0/16, fd00:10::/64
//	           |    |    |
//	          rs1  rs2  rs3      10.1.2.3  10.1.4.5  10.1.3.8
//
// For dr and tun real servers have a second leg on the front, by which their
// answers pass the directors by. For nat their default route is 10.1.0.1, which
// the active director holds. For fullnat they have no route beyond the back.
func (l *Lab) build(ctx context.Context) error {
	var err error
	if l.LAN, err = l.node("lan"); err != nil {
		return err
	}
	for _, name := range []string{"front", "back"} {
		if err := l.LAN.bridge(name); err != nil {
			return err
		}
	}
	if l.Routed {
		if err := l.fabric(); err != nil || !l.Capture {
			return err
		}
		return l.capture(ctx)
	}
	if l.A, err = l.director("a", 2); err != nil {
		return err
	}
	if l.B, err = l.director("b", 3); err != nil {
		return err
	}
	if l.Third {
		if l.C, err = l.director("c", 4); err != nil {
			return err
		}
	}
	if l.Forward != "" || l.Visitor {
		if l.Client, err = l.client(); err != nil {
			return err
		}
	}
	if l.Visitor {
		if err := l.Plug(l.Client, "eth1", "back", "10.1.0.100/16", "fd00:10::100/64"); err != nil {
			return err
		}
	}
	if l.Forward != "" {
		for i := range RIPs {
			n, err := l.realServer(i, RIPs[i])
			if err != nil {
				return err
			}
			l.Real = append(l.Real, n)
		}
	}
	if l.Capture {
		return l.capture(ctx)
	}
	return nil
}

// Cut takes the carrier from an interface of the node, as a pulled cable does.
func (l *Lab) Cut(n *Node, iface string) error { return l.LAN.down(n.Name + "-" + iface) }

// Mend undoes Cut.
func (l *Lab) Mend(n *Node, iface string) error { return l.LAN.up(n.Name + "-" + iface) }

// Part keeps the directors from hearing each other on the front, while both keep
// their carrier and hear everybody else, as a fault within a switch may do; with
// false they hear each other again.
func (l *Lab) Part(on bool) error {
	for _, n := range l.Directors() {
		if err := l.LAN.isolated(n.Name+"-eth0", on); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) director(name string, host int) (*Node, error) {
	n, err := l.node(name)
	if err != nil {
		return nil, err
	}
	if err := l.Plug(n, "eth0", "front", fmt.Sprintf("192.168.60.%d/24", host), fmt.Sprintf("fd00:60::%d/64", host)); err != nil {
		return nil, err
	}
	if err := l.Plug(n, "eth1", "back", fmt.Sprintf("10.1.0.%d/16", host), fmt.Sprintf("fd00:10::%d/64", host)); err != nil {
		return nil, err
	}
	return n, set(n, map[string]string{
		"net.ipv4.ip_forward":              "1",
		"net.ipv6.conf.all.forwarding":     "1",
		"net.ipv4.conf.all.rp_filter":      "0",
		"net.ipv4.conf.all.send_redirects": "0",
	})
}

func (l *Lab) client() (*Node, error) {
	n, err := l.node("client")
	if err != nil {
		return nil, err
	}
	addrs := []string{"fd00:60::100/64"}
	for i := range Clients {
		addrs = append(addrs, ClientAddr(i).String()+"/24")
	}
	return n, l.Plug(n, "eth0", "front", addrs...)
}

func (l *Lab) realServer(i int, rip netip.Addr) (*Node, error) {
	n, err := l.node("rs" + strconv.Itoa(i+1))
	if err != nil {
		return nil, err
	}
	if err := l.Plug(n, "eth0", "back", rip.String()+"/16", fmt.Sprintf("fd00:10::%d/64", 11+i)); err != nil {
		return nil, err
	}
	switch l.Forward {
	case "nat":
		return n, n.defaultRoute(BackVIP)
	case "dr", "tun":
		return n, l.Plug(n, "eth1", "front", fmt.Sprintf("192.168.60.%d/24", 11+i), fmt.Sprintf("fd00:60::%d/64", 11+i))
	}
	return n, nil
}

// HoldVIP prepares a real server of dr or tun as an administrator does: with
// `usher real-server` and the directors' own file.
func (n *Node) HoldVIP(ctx context.Context, file string) error {
	_, err := n.Usher(ctx, "real-server", "-c", file)
	return err
}

func set(n *Node, values map[string]string) error {
	for k, v := range values {
		if err := n.Sysctl(k, v); err != nil {
			return fmt.Errorf("%s: set %s: %w", n.Name, k, err)
		}
	}
	return nil
}
