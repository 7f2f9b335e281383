package native

import (
	"cmp"
	"encoding/binary"
	"net"
	"net/netip"
	"time"

	"usher/test/lab"
)

// frame writes the advert as an Ethernet frame.
func (m message) frame() []byte {
	src, dst := netip.MustParseAddr(cmp.Or(m.src, peerAddress)), netip.MustParseAddr(cmp.Or(m.dst, "224.0.0.18"))
	if src.Is6() && m.dst == "" {
		dst = netip.MustParseAddr("ff02::12")
	}
	msg := m.body(src, dst)
	if m.tail != nil {
		msg = append(msg, m.tail(msg, src)...)
	}
	eth := []byte{0x01, 0x00, 0x5e, 0x00, 0x00, dst.AsSlice()[len(dst.AsSlice())-1]}
	if dst.Is6() {
		eth = append([]byte{0x33, 0x33}, dst.AsSlice()[12:]...)
	}
	if m.mac != nil {
		eth = m.mac // unicast: straight to usher
	}
	b := append(append([]byte{}, eth...), net.HardwareAddr{2, 0, 0, 0, 0, 77}...)
	ttl := cmp.Or(m.ttl, 255)
	if dst.Is6() {
		b = append(b, 0x86, 0xdd, 0x6c, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(len(msg)))
		b = append(b, 112, ttl)
		b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
		return append(b, msg...)
	}
	b = append(b, 0x08, 0x00, 0x45, 0xc0)
	b = binary.BigEndian.AppendUint16(b, uint16(20+len(msg)))
	b = append(b, 0, 1, 0, 0, ttl, 112, 0, 0)
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	binary.BigEndian.PutUint16(b[24:], internetSum(b[14:34]))
	return append(b, msg...)
}

// body writes the VRRP message.
func (m message) body(src, dst netip.Addr) []byte {
	vips := m.vips
	if vips == nil {
		vips = []string{lab.VIP.String()}
	}
	version := cmp.Or(m.version, 3)
	b := []byte{version<<4 | 1, cmp.Or(m.vrid, 51), m.priority, byte(len(vips))}
	interval := cmp.Or(m.interval, 100*time.Millisecond)
	if version == 2 {
		b = append(b, m.authType, byte(interval/time.Second))
	} else {
		b = binary.BigEndian.AppendUint16(b, uint16(interval/(10*time.Millisecond)))
	}
	b = append(b, 0, 0)
	for _, v := range vips {
		b = append(b, netip.MustParseAddr(v).AsSlice()...)
	}
	if version == 2 {
		b = append(b, append(append([]byte{}, m.auth...), make([]byte, 8-len(m.auth))...)...)
	}
	if m.raw != nil {
		b = m.raw(b)
	}
	if len(b) < 8 {
		return b
	}
	b[6], b[7] = 0, 0
	covered := b
	if version == 3 && (!m.rfc9568 || dst.Is6()) {
		pseudo := append(append([]byte{}, src.AsSlice()...), dst.AsSlice()...)
		pseudo = append(pseudo, 0, 112)
		pseudo = binary.BigEndian.AppendUint16(pseudo, uint16(len(b)))
		covered = append(pseudo, b...)
	}
	binary.BigEndian.PutUint16(b[6:], internetSum(covered))
	if m.badSum {
		b[7] ^= 0x55
	}
	return b
}

// internetSum is RFC 1071's checksum, an odd byte padded.
func internetSum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
