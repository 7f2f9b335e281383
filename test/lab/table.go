package lab

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Destinations reads the IPv4 servers of every service that the node's kernel has
// in IPVS, from /proc/net/ip_vs: without a program, so that times can be measured.
func (n *Node) Destinations() ([]netip.AddrPort, error) {
	var all []netip.AddrPort
	err := n.Do(func() error {
		b, err := os.ReadFile("/proc/thread-self/net/ip_vs")
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) < 6 || f[0] != "->" || !strings.Contains(f[1], ":") || f[1] == "RemoteAddress:Port" {
				continue
			}
			ap, err := destination(f[1])
			if err != nil {
				return err
			}
			all = append(all, ap)
		}
		return nil
	})
	return all, err
}

// destination reads "0A010203:0050".
func destination(s string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	if err != nil || len(b) != 4 {
		return netip.AddrPort{}, fmt.Errorf("ip_vs table: address %q", s)
	}
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("ip_vs table: port of %q: %w", s, err)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), uint16(p)), nil
}

// InIPVS says whether a server is in the node's table.
func (n *Node) InIPVS(server netip.AddrPort) (bool, error) {
	all, err := n.Destinations()
	return slices.Contains(all, server), err
}
