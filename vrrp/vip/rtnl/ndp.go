package rtnl

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/ndp"
	"golang.org/x/sys/unix"

	"usher/vrrp/vip"
)

// allNodes is the group of all nodes on the link.
var allNodes = netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 1})

// unsolicitedNA is the neighbour advertisement of RFC 9568 section 8.2.2 and RFC
// 4861 section 7.2.6: to all nodes, Override set, Solicited clear, the Router flag
// as the machine forwards, and the hardware address as target link-layer address.
func unsolicitedNA(mac net.HardwareAddr, a vip.Announcement, router bool) (*ethernet.Frame, error) {
	na := &ndp.NeighborAdvertisement{
		Router: router, Override: true, TargetAddress: a.Address,
		Options: []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: mac}},
	}
	body, err := ndp.MarshalMessageChecksum(na, a.Address, allNodes)
	if err != nil {
		return nil, fmt.Errorf("neighbour advertisement for %s: %w", a.Address, err)
	}
	// The IPv6 header (RFC 8200 section 3). Hop limit 255 shows that no router
	// forwarded it.
	b := make([]byte, 40, 40+len(body))
	b[0] = 6 << 4
	binary.BigEndian.PutUint16(b[4:], uint16(len(body)))
	b[6], b[7] = unix.IPPROTO_ICMPV6, 255
	copy(b[8:], a.Address.AsSlice())
	copy(b[24:], allNodes.AsSlice())
	return &ethernet.Frame{
		Destination: net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}, Source: mac, EtherType: ethernet.EtherTypeIPv6, Payload: append(b, body...),
	}, nil
}

// forwards says whether the machine is a router for IPv6 on an interface.
func forwards(link string) bool {
	v, err := read("net/ipv6/conf/" + link + "/forwarding")
	return err == nil && v != "0"
}
