package probe

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
)

// proxyHeader is the PROXY protocol's, of version 1 or 2, for a connection of this
// machine's own (HAProxy's proxy-protocol.txt, sections 2.1 and 2.2). A check tells
// its true addresses, as PROXY, so that servers treat it as any client's.
func proxyHeader(version int, from, to net.Addr) []byte {
	src, dst := addrPort(from), addrPort(to)
	if version == 1 {
		family := "TCP4"
		if src.Addr().Is6() {
			family = "TCP6"
		}
		return fmt.Appendf(nil, "PROXY %s %s %s %d %d\r\n", family, src.Addr(), dst.Addr(), src.Port(), dst.Port())
	}
	b := []byte("\r\n\r\n\x00\r\nQUIT\n\x21")
	family := byte(0x11) // TCP over IPv4
	if src.Addr().Is6() {
		family = 0x21
	}
	addresses := append(src.Addr().AsSlice(), dst.Addr().AsSlice()...)
	b = append(b, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(addresses)+4))
	b = append(b, addresses...)
	b = binary.BigEndian.AppendUint16(b, src.Port())
	return binary.BigEndian.AppendUint16(b, dst.Port())
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
	}
	return netip.AddrPort{}
}
