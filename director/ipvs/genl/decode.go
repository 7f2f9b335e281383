package genl

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/netip"

	moby "github.com/moby/ipvs"
	"golang.org/x/sys/unix"

	"usher/director/ipvs"
)

// serviceRecord is one service as a dump gives it.
type serviceRecord struct {
	key      ipvs.ServiceKey
	service  ipvs.Service
	counters ipvs.Counters
}

// destRecord is one destination as a dump gives it.
type destRecord struct {
	key         ipvs.DestinationKey
	destination ipvs.Destination
	counters    ipvs.Counters
}

// attributes hands on each netlink attribute in b. Values are parts of b.
func attributes(b []byte, each func(typ uint16, v []byte)) error {
	for len(b) >= 4 {
		length := int(binary.NativeEndian.Uint16(b))
		if length < 4 || length > len(b) {
			return fmt.Errorf("an attribute of %d bytes in %d: %w", length, len(b), io.ErrUnexpectedEOF)
		}
		each(binary.NativeEndian.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[4:length])
		b = b[min(len(b), (length+3)&^3):]
	}
	return nil
}

// inner gives the nested attribute typ of a generic netlink payload, whose own
// header is four bytes long.
func inner(payload []byte, typ uint16) (nested []byte, err error) {
	if len(payload) < 4 {
		return nil, io.ErrUnexpectedEOF
	}
	found := false
	err = attributes(payload[4:], func(t uint16, v []byte) {
		if t == typ && !found {
			nested, found = v, true
		}
	})
	if err == nil && !found {
		err = fmt.Errorf("attribute %d is missing", typ)
	}
	return nested, err
}

func decodeService(payload []byte) (serviceRecord, error) {
	r, err := parseService(payload)
	if err != nil {
		err = fmt.Errorf("ipvs: decode a service: %w", err)
	}
	return r, err
}

func parseService(payload []byte) (r serviceRecord, err error) {
	b, err := inner(payload, attrService)
	if err != nil {
		return r, err
	}
	var fam uint16
	var addr, mask []byte
	var failure error
	err = attributes(b, func(typ uint16, v []byte) {
		switch typ {
		case svcFamily:
			fam = hostUint16(v)
		case svcProtocol:
			r.key.Protocol = ipvs.Protocol(hostUint16(v))
		case svcAddress:
			addr = v
		case svcPort:
			r.key.Port = beUint16(v)
		case svcMark:
			r.key.Mark = hostUint32(v)
		case svcScheduler:
			r.service.Scheduler = text(v)
		case svcFlags:
			r.service.Flags = ipvs.Flags(hostUint32(v)) &^ flagHashed
		case svcTimeout:
			r.service.Persistence = hostUint32(v)
		case svcNetmask:
			mask = v
		case svcEngine:
			r.service.Engine = text(v)
		case svcStats, svcStats64:
			failure = errors.Join(failure, decodeCounters(&r.counters, v))
		}
	})
	if err := errors.Join(err, failure); err != nil {
		return r, err
	}
	if r.key.Mark != 0 {
		r.key.IPv6 = fam == unix.AF_INET6
	} else if r.key.Address, err = decodeAddress(fam, addr); err != nil {
		return r, err
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

// decodeDest takes statistics, too, where they are counted: they are half of the work.
func decodeDest(payload []byte, service ipvs.ServiceKey, counted bool) (destRecord, error) {
	r, err := parseDest(payload, service, counted)
	if err != nil {
		err = fmt.Errorf("ipvs: decode a destination: %w", err)
	}
	return r, err
}

func parseDest(payload []byte, service ipvs.ServiceKey, counted bool) (r destRecord, err error) {
	b, err := inner(payload, attrDest)
	if err != nil {
		return r, err
	}
	fam := family(service.Is6())
	var addr []byte
	var failure error
	err = attributes(b, func(typ uint16, v []byte) {
		switch typ {
		case dstFamily:
			fam = hostUint16(v)
		case dstAddress:
			addr = v
		case dstPort:
			r.key.Port = beUint16(v)
		case dstForward:
			r.destination.Forward = ipvs.Forward(hostUint32(v) & moby.ConnFwdMask)
		case dstWeight:
			r.destination.Weight = hostUint32(v)
		case dstUpper:
			r.destination.Upper = hostUint32(v)
		case dstLower:
			r.destination.Lower = hostUint32(v)
		case dstActive:
			r.counters.Active = hostUint32(v)
		case dstInactive:
			r.counters.Inactive = hostUint32(v)
		case dstPersistent:
			r.counters.Persistent = hostUint32(v)
		case dstTunType:
			if len(v) > 0 {
				r.destination.Tunnel.Type = ipvs.TunnelType(v[0])
			}
		case dstTunPort:
			r.destination.Tunnel.Port = beUint16(v)
		case dstTunFlags:
			r.destination.Tunnel.Flags = hostUint16(v)
		case dstStats, dstStats64:
			if counted {
				failure = errors.Join(failure, decodeCounters(&r.counters, v))
			}
		}
	})
	if err := errors.Join(err, failure); err != nil {
		return r, err
	}
	if r.key.Address, err = decodeAddress(fam, addr); err != nil {
		return r, err
	}
	if r.destination.Forward != ipvs.Tun {
		r.destination.Tunnel = ipvs.Tunnel{}
	}
	return r, nil
}

// decodeCounters takes statistics of either width. The kernel sends the 32-bit ones
// first, so the 64-bit ones, where it has them, remain.
func decodeCounters(c *ipvs.Counters, stats []byte) error {
	return attributes(stats, func(typ uint16, b []byte) {
		var v uint64
		switch len(b) {
		case 4:
			v = uint64(binary.NativeEndian.Uint32(b))
		case 8:
			v = binary.NativeEndian.Uint64(b)
		default:
			return
		}
		switch typ {
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
	})
}

func decodeDaemon(payload []byte) (ipvs.SyncDaemon, error) {
	var d ipvs.SyncDaemon
	b, err := inner(payload, attrDaemon)
	if err == nil {
		err = attributes(b, func(typ uint16, v []byte) {
			switch typ {
			case daemonState:
				d.Role = ipvs.SyncRole(hostUint32(v))
			case daemonInterface:
				d.Interface = text(v)
			case daemonID:
				d.ID = uint8(hostUint32(v))
			case daemonMaxLen:
				d.MaxLength = hostUint16(v)
			case daemonGroup4, daemonGroup6:
				d.Group, _ = netip.AddrFromSlice(v)
			case daemonPort:
				d.Port = hostUint16(v)
			case daemonTTL:
				if len(v) > 0 {
					d.TTL = v[0]
				}
			}
		})
	}
	if err != nil {
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

// text is a string as the kernel ends it.
func text(b []byte) string {
	before, _, _ := bytes.Cut(b, []byte{0})
	return string(before)
}

// hostUint16 and hostUint32 read numbers in the machine's own order, beUint16 one in
// that of the network; 0 where there are too few bytes.
func hostUint16(b []byte) uint16 {
	if len(b) < 2 {
		return 0
	}
	return binary.NativeEndian.Uint16(b)
}

func hostUint32(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(b)
}

func beUint16(b []byte) uint16 {
	if len(b) < 2 {
		return 0
	}
	return binary.BigEndian.Uint16(b)
}
