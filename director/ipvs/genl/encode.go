package genl

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"usher/director/ipvs"
)

// message is a netlink message that grows at its end.
type message struct{ b []byte }

// begin starts a message in b: netlink header, then generic netlink's. Its length
// is filled in by end.
func begin(b []byte, typ, flags uint16, seq uint32, cmd uint8) (message, int) {
	at := len(b)
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = binary.NativeEndian.AppendUint32(b, 0)
	return message{append(b, cmd, 1, 0, 0)}, at
}

func (m *message) end(at int) []byte {
	binary.NativeEndian.PutUint32(m.b[at:], uint32(len(m.b)-at))
	return m.b
}

func (m *message) head(typ uint16, length int) {
	m.b = binary.NativeEndian.AppendUint16(m.b, uint16(4+length))
	m.b = binary.NativeEndian.AppendUint16(m.b, typ)
}

func (m *message) bytes(typ uint16, v []byte) {
	m.head(typ, len(v))
	m.b = append(m.b, v...)
	for len(m.b)%4 != 0 {
		m.b = append(m.b, 0)
	}
}

func (m *message) str(typ uint16, v string) { m.bytes(typ, append([]byte(v), 0)) }

func (m *message) u8(typ uint16, v uint8) { m.bytes(typ, []byte{v}) }

func (m *message) u16(typ, v uint16) {
	m.head(typ, 2)
	m.b = append(binary.NativeEndian.AppendUint16(m.b, v), 0, 0)
}

// port appends a number in network byte order.
func (m *message) port(typ, v uint16) {
	m.head(typ, 2)
	m.b = append(binary.BigEndian.AppendUint16(m.b, v), 0, 0)
}

func (m *message) u32(typ uint16, v uint32) {
	m.head(typ, 4)
	m.b = binary.NativeEndian.AppendUint32(m.b, v)
}

// nest appends an attribute that holds others.
func (m *message) nest(typ uint16, fill func()) {
	at := len(m.b)
	m.head(typ|unix.NLA_F_NESTED, 0)
	fill()
	binary.NativeEndian.PutUint16(m.b[at:], uint16(len(m.b)-at))
}

// address appends a union nf_inet_addr: 16 bytes, of which IPv4 uses the first 4.
func (m *message) address(typ uint16, a netip.Addr) {
	var v [16]byte
	if a = a.Unmap(); a.Is4() {
		four := a.As4()
		copy(v[:], four[:])
	} else {
		v = a.As16()
	}
	m.bytes(typ, v[:])
}

func family(six bool) uint16 {
	if six {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

func (m *message) key(k ipvs.ServiceKey) {
	m.u16(svcFamily, family(k.Is6()))
	if k.Mark != 0 {
		m.u32(svcMark, k.Mark)
		return
	}
	m.u16(svcProtocol, uint16(k.Protocol))
	m.address(svcAddress, k.Address)
	m.port(svcPort, k.Port)
}

func (m *message) service(k ipvs.ServiceKey, s ipvs.Service) {
	m.key(k)
	m.str(svcScheduler, s.Scheduler)
	if s.Engine != "" {
		m.str(svcEngine, s.Engine)
	}
	// struct ip_vs_flags: the flags and the mask of those that are meant.
	flags := binary.NativeEndian.AppendUint32(nil, uint32(s.Flags))
	m.bytes(svcFlags, binary.NativeEndian.AppendUint32(flags, ^uint32(0)))
	m.u32(svcTimeout, s.Persistence)
	m.netmask(k, s.Netmask)
}

// netmask appends a mask in network order for IPv4, a prefix length for IPv6.
func (m *message) netmask(k ipvs.ServiceKey, bits uint8) {
	if k.Is6() {
		m.u32(svcNetmask, uint32(bits))
		return
	}
	mask := ^uint32(0) << (32 - min(bits, 32))
	m.bytes(svcNetmask, binary.BigEndian.AppendUint32(nil, mask))
}

func (m *message) destKey(d ipvs.DestinationKey) {
	m.address(dstAddress, d.Address)
	m.port(dstPort, d.Port)
	m.u16(dstFamily, family(d.Address.Unmap().Is6()))
}

func (m *message) destination(k ipvs.DestinationKey, d ipvs.Destination) {
	m.destKey(k)
	m.u32(dstForward, uint32(d.Forward))
	m.u32(dstWeight, d.Weight)
	m.u32(dstUpper, d.Upper)
	m.u32(dstLower, d.Lower)
	if d.Forward == ipvs.Tun {
		m.u8(dstTunType, uint8(d.Tunnel.Type))
		m.port(dstTunPort, d.Tunnel.Port)
		m.u16(dstTunFlags, d.Tunnel.Flags)
	}
}

func (m *message) daemon(d ipvs.SyncDaemon) {
	m.u32(daemonState, uint32(d.Role))
	m.str(daemonInterface, d.Interface)
	m.u32(daemonID, uint32(d.ID))
	if d.MaxLength != 0 {
		m.u16(daemonMaxLen, d.MaxLength)
	}
	if a := d.Group.Unmap(); a.Is4() {
		m.bytes(daemonGroup4, a.AsSlice())
	} else if a.IsValid() {
		m.bytes(daemonGroup6, a.AsSlice())
	}
	if d.Port != 0 {
		m.u16(daemonPort, d.Port)
	}
	if d.TTL != 0 {
		m.u8(daemonTTL, d.TTL)
	}
}

// command gives the netlink command of an Op.
func command(o ipvs.Op) uint8 {
	switch o.Kind {
	case ipvs.AddService:
		return cmdNewService
	case ipvs.EditService:
		return cmdSetService
	case ipvs.DelService:
		return cmdDelService
	case ipvs.AddDestination:
		return cmdNewDest
	case ipvs.EditDestination:
		return cmdSetDest
	case ipvs.DelDestination:
		return cmdDelDest
	}
	return 0
}

// appendOp appends the whole message of an Op to b.
func appendOp(b []byte, family, flags uint16, seq uint32, o ipvs.Op) []byte {
	m, at := begin(b, family, flags, seq, command(o))
	m.nest(attrService, func() {
		if o.Kind == ipvs.AddService || o.Kind == ipvs.EditService {
			m.service(o.Key, o.Service)
		} else {
			m.key(o.Key)
		}
	})
	switch o.Kind {
	case ipvs.AddDestination, ipvs.EditDestination:
		m.nest(attrDest, func() { m.destination(o.Dest, o.Destination) })
	case ipvs.DelDestination:
		m.nest(attrDest, func() { m.destKey(o.Dest) })
	}
	return m.end(at)
}
