package ipvs

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Attributes in network byte order are taken as bytes, all others in the order of
// the machine, which is the decoder's default.

// serviceRecord is one service as a dump gives it.
type serviceRecord struct {
	key      ServiceKey
	service  Service
	counters Counters
}

// destRecord is one destination as a dump gives it.
type destRecord struct {
	key         DestinationKey
	destination Destination
	counters    Counters
}

// inner gives the attributes of the nested attribute typ of a generic netlink
// payload, whose own header is four bytes long.
func inner(payload []byte, typ uint16) (*netlink.AttributeDecoder, error) {
	if len(payload) < 4 {
		return nil, io.ErrUnexpectedEOF
	}
	ad, err := netlink.NewAttributeDecoder(payload[4:])
	if err != nil {
		return nil, err
	}
	for ad.Next() {
		if ad.Type() == typ {
			return netlink.NewAttributeDecoder(ad.Bytes())
		}
	}
	if ad.Err() != nil {
		return nil, ad.Err()
	}
	return nil, fmt.Errorf("attribute %d is missing", typ)
}

func decodeService(payload []byte) (serviceRecord, error) {
	var r serviceRecord
	ad, err := inner(payload, attrService)
	if err != nil {
		return r, fmt.Errorf("ipvs: decode a service: %w", err)
	}
	var fam uint16
	var addr, mask []byte
	for ad.Next() {
		switch ad.Type() {
		case svcFamily:
			fam = ad.Uint16()
		case svcProtocol:
			r.key.Protocol = Protocol(ad.Uint16())
		case svcAddress:
			addr = ad.Bytes()
		case svcPort:
			r.key.Port = beUint16(ad.Bytes())
		case svcMark:
			r.key.Mark = ad.Uint32()
		case svcScheduler:
			r.service.Scheduler = ad.String()
		case svcFlags:
			if v := ad.Bytes(); len(v) >= 4 {
				r.service.Flags = Flags(binary.NativeEndian.Uint32(v)) &^ flagHashed
			}
		case svcTimeout:
			r.service.Persistence = ad.Uint32()
		case svcNetmask:
			mask = ad.Bytes()
		case svcEngine:
			r.service.Engine = ad.String()
		case svcStats, svcStats64:
			ad.Nested(r.counters.decode)
		}
	}
	if err := ad.Err(); err != nil {
		return r, fmt.Errorf("ipvs: decode a service: %w", err)
	}
	if r.key.Mark != 0 {
		r.key.IPv6 = fam == unix.AF_INET6
	} else if r.key.Address, err = decodeAddress(fam, addr); err != nil {
		return r, fmt.Errorf("ipvs: decode a service: %w", err)
	}
	r.key = r.key.Canonical()
	if len(mask) == 4 {
		if fam == unix.AF_INET6 {
			r.service.Netmask = uint8(binary.NativeEndian.Uint32(mask))
		} else {
			r.service.Netmask = uint8(bits.LeadingZeros32(^binary.BigEndian.Uint32(mask)))
		}
	}
	return r, nil
}

func decodeDest(payload []byte, service ServiceKey) (destRecord, error) {
	var r destRecord
	ad, err := inner(payload, attrDest)
	if err != nil {
		return r, fmt.Errorf("ipvs: decode a destination: %w", err)
	}
	fam := family(service.Is6())
	var addr []byte
	for ad.Next() {
		switch ad.Type() {
		case dstFamily:
			fam = ad.Uint16()
		case dstAddress:
			addr = ad.Bytes()
		case dstPort:
			r.key.Port = beUint16(ad.Bytes())
		case dstForward:
			r.destination.Forward = Forward(ad.Uint32() & forwardMask)
		case dstWeight:
			r.destination.Weight = ad.Uint32()
		case dstUpper:
			r.destination.Upper = ad.Uint32()
		case dstLower:
			r.destination.Lower = ad.Uint32()
		case dstActive:
			r.counters.Active = ad.Uint32()
		case dstInactive:
			r.counters.Inactive = ad.Uint32()
		case dstPersistent:
			r.counters.Persistent = ad.Uint32()
		case dstTunType:
			r.destination.Tunnel.Type = TunnelType(ad.Uint8())
		case dstTunPort:
			r.destination.Tunnel.Port = beUint16(ad.Bytes())
		case dstTunFlags:
			r.destination.Tunnel.Flags = ad.Uint16()
		case dstStats, dstStats64:
			ad.Nested(r.counters.decode)
		}
	}
	if err := ad.Err(); err != nil {
		return r, fmt.Errorf("ipvs: decode a destination: %w", err)
	}
	if r.key.Address, err = decodeAddress(fam, addr); err != nil {
		return r, fmt.Errorf("ipvs: decode a destination: %w", err)
	}
	if r.destination.Forward != Tun {
		r.destination.Tunnel = Tunnel{}
	}
	return r, nil
}

// decode takes statistics of either width. The kernel sends the 32-bit ones
// first, so the 64-bit ones, where it has them, remain.
func (c *Counters) decode(ad *netlink.AttributeDecoder) error {
	for ad.Next() {
		var v uint64
		switch b := ad.Bytes(); len(b) {
		case 4:
			v = uint64(binary.NativeEndian.Uint32(b))
		case 8:
			v = binary.NativeEndian.Uint64(b)
		default:
			continue
		}
		switch ad.Type() {
		case statConnections:
			c.Connections = v
		case statPacketsIn:
			c.PacketsIn = v
		case statPacketsOut:
			c.PacketsOut = v
		case statBytesIn:
			c.BytesIn = v
		case statBytesOut:
			c.BytesOut = v
		case statCPS:
			c.ConnectionRate = v
		case statPPSIn:
			c.PacketRateIn = v
		case statPPSOut:
			c.PacketRateOut = v
		case statBPSIn:
			c.ByteRateIn = v
		case statBPSOut:
			c.ByteRateOut = v
		}
	}
	return nil
}

func decodeDaemon(payload []byte) (SyncDaemon, error) {
	var d SyncDaemon
	ad, err := inner(payload, attrDaemon)
	if err != nil {
		return d, fmt.Errorf("ipvs: decode a sync daemon: %w", err)
	}
	for ad.Next() {
		switch ad.Type() {
		case daemonState:
			d.Role = SyncRole(ad.Uint32())
		case daemonInterface:
			d.Interface = ad.String()
		case daemonID:
			d.ID = uint8(ad.Uint32())
		case daemonMaxLen:
			d.MaxLength = ad.Uint16()
		case daemonGroup4, daemonGroup6:
			d.Group, _ = netip.AddrFromSlice(ad.Bytes())
		case daemonPort:
			d.Port = ad.Uint16()
		case daemonTTL:
			d.TTL = ad.Uint8()
		}
	}
	if err := ad.Err(); err != nil {
		return d, fmt.Errorf("ipvs: decode a sync daemon: %w", err)
	}
	return d, nil
}

func decodeAddress(fam uint16, b []byte) (netip.Addr, error) {
	switch {
	case fam == unix.AF_INET && len(b) >= 4:
		return netip.AddrFrom4([4]byte(b[:4])), nil
	case fam == unix.AF_INET6 && len(b) >= 16:
		return netip.AddrFrom16([16]byte(b[:16])), nil
	}
	return netip.Addr{}, fmt.Errorf("address of family %d with %d bytes", fam, len(b))
}

func beUint16(b []byte) uint16 {
	if len(b) < 2 {
		return 0
	}
	return binary.BigEndian.Uint16(b)
}
