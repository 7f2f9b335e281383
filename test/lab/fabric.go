package lab

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// The addresses of a fabric: what its directors announce, that of each and of the router on
// the front, the client's, and a fourth real server's.
var (
	Announced  = netip.MustParseAddrPort("192.0.2.10:80")
	Announced6 = netip.MustParseAddrPort("[2001:db8::10]:80")
	routerAddr = netip.MustParseAddr("192.168.60.254")
	FourthRIP  = netip.MustParseAddr("10.1.5.13")
)

// FabricAddr is the address of director number i on the front.
func FabricAddr(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 168, 60, byte(2 + i)}) }

// fabric makes the topology of directors behind a router, which spreads flows over them:
//
//	client 198.51.100.100, fd00:51::100 ---- outside ---- router .254
//	                                                      router .254
//	                                                         |
//	--+------+------+------+------+------------+------+------+-+------ front 192.168.60.0/24, fd00:60::/64
//	  a .2   b .3   c .4   d .5   e .6       rs1    rs2    rs3    rs4
//	--+------+------+------+------+------------+------+------+-+------ back 10.1.0.0/16, fd00:10::/64
//	                                        10.1.2.3 10.1.4.5 10.1.3.8 10.1.5.13
//
// Forward is dr or tun: servers answer by the router. What the router runs is Route's; the
// fifth director and the fourth server are for those who want one more.
func (l *Lab) fabric() error {
	if err := l.LAN.bridge("outside"); err != nil {
		return err
	}
	var err error
	if l.Router, err = l.node("router"); err != nil {
		return err
	}
	if err := l.Plug(l.Router, "eth0", "front", routerAddr.String()+"/24", "fd00:60::254/64"); err != nil {
		return err
	}
	if err := l.Plug(l.Router, "eth1", "outside", "198.51.100.254/24", "fd00:51::254/64"); err != nil {
		return err
	}
	err = set(l.Router, map[string]string{
		"net.ipv4.ip_forward":                "1",
		"net.ipv6.conf.all.forwarding":       "1",
		"net.ipv4.conf.all.rp_filter":        "0",
		"net.ipv4.conf.default.rp_filter":    "0",
		"net.ipv4.conf.all.send_redirects":   "0",
		"net.ipv4.fib_multipath_hash_policy": "1", // by ports, too
		"net.ipv6.fib_multipath_hash_policy": "1",
	})
	if err != nil {
		return err
	}
	for i, name := range []string{"a", "b", "c", "d", "e"} {
		n, err := l.director(name, 2+i)
		if err != nil {
			return err
		}
		if err := n.byRouter(); err != nil {
			return err
		}
		l.Fabric = append(l.Fabric, n)
	}
	l.A, l.B = l.Fabric[0], l.Fabric[1]
	for i, rip := range append(RIPs[:len(RIPs):len(RIPs)], FourthRIP) {
		n, err := l.realServer(i, rip)
		if err != nil {
			return err
		}
		if err := n.byRouter(); err != nil {
			return err
		}
		l.Real = append(l.Real, n)
	}
	if l.Client, err = l.node("client"); err != nil {
		return err
	}
	if err := l.Plug(l.Client, "eth0", "outside", "198.51.100.100/24", "fd00:51::100/64"); err != nil {
		return err
	}
	return l.Client.defaultRoutes("198.51.100.254", "fd00:51::254")
}

// byRouter has the node reach the client by the router.
func (n *Node) byRouter() error { return n.defaultRoutes(routerAddr.String(), "fd00:60::254") }

func (n *Node) defaultRoutes(via ...string) error {
	for _, v := range via {
		if err := n.defaultRoute(netip.MustParseAddr(v)); err != nil {
			return err
		}
	}
	return nil
}

// Power is the power of a director of the fabric: without it all its links are dead.
func (l *Lab) Power(n *Node, on bool) error {
	for _, iface := range []string{"eth0", "eth1"} {
		change := l.Cut
		if on {
			change = l.Mend
		}
		if err := change(n, iface); err != nil {
			return err
		}
	}
	return nil
}

// Carriers says which director of the fabric each flow comes by: the one whose entry in its
// IPVS table is the youngest, since packets renew it. moved is how many have another one
// than they had before.
func (l *Lab) Carriers(flows []string, before map[string]string) (now map[string]string, moved int, err error) {
	now = map[string]string{}
	latest := map[string]int{}
	for _, d := range l.Fabric {
		have, err := d.Connections()
		if err != nil {
			return nil, 0, err
		}
		for _, f := range flows {
			if left, ok := have[f]; ok && left > latest[f] {
				now[f], latest[f] = d.Name, left
			}
		}
	}
	for f, d := range now {
		if before[f] != "" && before[f] != d {
			moved++
		}
	}
	return now, moved, nil
}

// Connections are the TCP connections in the node's IPVS table: in how many seconds each
// expires, by the client's end as flowKey writes it.
func (n *Node) Connections() (expires map[string]int, err error) {
	expires = map[string]int{}
	return expires, n.Do(func() error {
		b, err := os.ReadFile("/proc/thread-self/net/ip_vs_conn")
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) < 9 || f[0] != "TCP" {
				continue
			}
			port, err := strconv.ParseUint(f[2], 16, 16)
			if err != nil {
				return fmt.Errorf("ip_vs_conn: %q: %w", line, err)
			}
			left, err := strconv.Atoi(f[8])
			if err != nil {
				return fmt.Errorf("ip_vs_conn: %q: %w", line, err)
			}
			key := flowKey(len(f[1]) > 8, uint16(port))
			expires[key] = max(expires[key], left)
		}
		return err
	})
}

// flowKey names a flow of the fabric's one client by its family and its port.
func flowKey(six bool, port uint16) string {
	if six {
		return fmt.Sprintf("6:%d", port)
	}
	return fmt.Sprintf("4:%d", port)
}
