package daemon

import (
	"fmt"
	"math/bits"
	"net"
	"net/netip"
	"strconv"

	"usher/conf"
	"usher/director"
	"usher/vrrp/sysctl"
)

// networks are those that this machine reaches without a router.
func networks() ([]netip.Prefix, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var all []netip.Prefix
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLoopback() {
			all = append(all, p.Masked())
		}
	}
	return all, nil
}

// neighbourSysctl is the setting that bounds the kernel's table of neighbours, one for
// each family and shared by all interfaces and network namespaces.
func neighbourSysctl(six bool) string {
	if six {
		return "net.ipv6.neigh.default.gc_thresh3"
	}
	return "net.ipv4.neigh.default.gc_thresh3"
}

// neighbourLimit reads it. In a network namespace other than the first it is not there.
func neighbourLimit(six bool) (int, error) {
	text, err := sysctl.Get(neighbourSysctl(six))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}

// neighbours counts the servers of c that are in the given networks, IPv4 and IPv6:
// each takes an entry of the table.
func neighbours(c *conf.Config, networks []netip.Prefix) (count [2]int) {
	seen := map[netip.Addr]bool{}
	for i := range c.VirtualServers {
		for _, list := range [][]director.RealServer{c.VirtualServers[i].Real, c.VirtualServers[i].Sorry} {
			for j := range list {
				a := list[j].Address.Addr()
				if seen[a] {
					continue
				}
				seen[a] = true
				for _, p := range networks {
					if p.Contains(a) {
						count[family(a.Is6())]++
						break
					}
				}
			}
		}
	}
	return count
}

func family(six bool) int {
	if six {
		return 1
	}
	return 0
}

// crowded says what to do if so many neighbours fill more than three quarters of the
// table; "" if they do not, or if that cannot be told here. Others need room in it too:
// in a full one nobody finds anybody, not even the machine itself.
func crowded(m Machine, six bool, servers int) string {
	if servers == 0 {
		return ""
	}
	limit, err := m.NeighbourLimit(six)
	if err != nil || servers <= limit/4*3 {
		return ""
	}
	name := neighbourSysctl(six)
	return fmt.Sprintf("%d real servers are in this machine's own networks, and the kernel's table of neighbours has room for %d (%s): when it is full, no server is reachable; sysctl -w %s=%d",
		servers, limit, name, name, 1<<bits.Len(uint(2*servers-1)))
}

// countNeighbours takes in how many there are with c, and tells at once if they are too many.
func (d *Daemon) countNeighbours(c *conf.Config) {
	networks, err := d.opts.Machine.Networks()
	if err != nil {
		d.log.Warn("the networks of this machine are not known", "error", err)
		return
	}
	count := neighbours(c, networks)
	d.mu.Lock()
	d.neighbours = count
	d.mu.Unlock()
	for _, six := range []bool{false, true} {
		if text := crowded(d.opts.Machine, six, count[family(six)]); text != "" {
			d.log.Warn(text)
		}
	}
}
