package packet

import (
	"encoding/binary"
	"net/netip"
)

// Protocol is VRRP's number in the IP header (RFC 9568 section 5.1.1.4).
const Protocol = 112

// checksum is the Internet checksum (RFC 1071) of a message whose checksum field
// is zero, continued from the sum of a pseudo-header.
func checksum(b []byte, sum uint32) uint16 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// pseudo is the sum of the pseudo-header that goes before a message: none in
// version 2, always that of RFC 8200 section 8.1 over IPv6, and over IPv4
// as the form says.
func pseudo(version uint8, src, dst netip.Addr, length int, form Form) uint32 {
	if version == 2 || (dst.Is4() && form == FormMessage) {
		return 0
	}
	sum := uint32(Protocol) + uint32(length)
	for _, addr := range []netip.Addr{src, dst} {
		if addr.Is4() {
			b := addr.As4()
			sum += sum16(b[:])
		} else {
			b := addr.As16()
			sum += sum16(b[:])
		}
	}
	return sum
}

func sum16(b []byte) (sum uint32) {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	return sum
}

// verify says whether a received message's checksum holds, and in which form. A
// message that holds in both forms counts as the form with a pseudo-header.
func verify(version uint8, b []byte, src, dst netip.Addr) (Form, bool) {
	for _, form := range []Form{FormPseudoHeader, FormMessage} {
		// Summed with its own checksum in place, a good message gives zero.
		if checksum(b, pseudo(version, src, dst, len(b), form)) == 0 {
			return form, true
		}
	}
	return 0, false
}
