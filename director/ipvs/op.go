package ipvs

import (
	"fmt"
	"net/netip"
	"strconv"
)

// OpKind is what an Op does to the kernel's table.
type OpKind uint8

// The operations of the kernel, one netlink command each.
const (
	OpNone OpKind = iota
	AddService
	EditService
	DelService // with all its destinations
	AddDestination
	EditDestination
	DelDestination
)

// OpKinds are all kinds, for metrics that show zeros too.
var OpKinds = [...]OpKind{AddService, EditService, DelService, AddDestination, EditDestination, DelDestination}

// String gives the word that metrics and logs use, such as "add_service".
func (k OpKind) String() string {
	switch k {
	case AddService:
		return "add_service"
	case EditService:
		return "edit_service"
	case DelService:
		return "delete_service"
	case AddDestination:
		return "add_destination"
	case EditDestination:
		return "edit_destination"
	case DelDestination:
		return "delete_destination"
	}
	return "none"
}

// Op is one change of the kernel's table. It is comparable.
type Op struct {
	Kind        OpKind
	Key         ServiceKey
	Service     Service        // of AddService and EditService
	Dest        DestinationKey // of the three destination kinds
	Destination Destination    // of AddDestination and EditDestination
}

// String describes an Op for logs and reports.
func (o Op) String() string {
	switch o.Kind {
	case AddService, EditService:
		return fmt.Sprintf("%s %s %s", o.Kind, o.Key, o.Service)
	case AddDestination, EditDestination:
		return fmt.Sprintf("%s %s %s %s", o.Kind, o.Key, o.Dest, o.Destination)
	case DelDestination:
		return fmt.Sprintf("%s %s %s", o.Kind, o.Key, o.Dest)
	}
	return fmt.Sprintf("%s %s", o.Kind, o.Key)
}

// AddressKey is the key of a service of an address and port. Port 0 means every
// port (of a persistent service).
func AddressKey(p Protocol, a netip.AddrPort) ServiceKey {
	return ServiceKey{Protocol: p, Address: a.Addr(), Port: a.Port()}.Canonical()
}

// MarkKey is the key of a service of a firewall mark.
func MarkKey(mark uint32, ipv6 bool) ServiceKey {
	return ServiceKey{Mark: mark, IPv6: ipv6}
}

// Canonical gives the one form of k under which tables hold it: an IPv4 address
// is never written as IPv6, IPv6 is set for marks only and for those carries
// everything there is to say besides the mark.
func (k ServiceKey) Canonical() ServiceKey {
	if k.Mark != 0 {
		return ServiceKey{Mark: k.Mark, IPv6: k.IPv6}
	}
	k.Address = k.Address.Unmap().WithZone("")
	k.IPv6 = false
	return k
}

// Is6 tells whether the service is one of IPv6.
func (k ServiceKey) Is6() bool {
	if k.Mark != 0 {
		return k.IPv6
	}
	return k.Address.Is6() && !k.Address.Is4In6()
}

// Bits is the length of an address of the service's family, which is the Netmask
// of a service without persistence.
func (k ServiceKey) Bits() uint8 {
	if k.Is6() {
		return 128
	}
	return 32
}

// String writes a key as "tcp 192.0.2.1:80", or "fwmark 7 ipv4".
func (k ServiceKey) String() string {
	if k.Mark != 0 {
		if k.IPv6 {
			return fmt.Sprintf("fwmark %d ipv6", k.Mark)
		}
		return fmt.Sprintf("fwmark %d ipv4", k.Mark)
	}
	return k.Protocol.String() + " " + netip.AddrPortFrom(k.Address, k.Port).String()
}

// Compare orders keys: addresses before marks, then by address, port and protocol.
func (k ServiceKey) Compare(o ServiceKey) int {
	switch {
	case k.Mark != o.Mark:
		return cmpUint(k.Mark, o.Mark)
	case k.IPv6 != o.IPv6:
		if o.IPv6 {
			return -1
		}
		return 1
	}
	if c := k.Address.Compare(o.Address); c != 0 {
		return c
	}
	if c := cmpUint(uint32(k.Port), uint32(o.Port)); c != 0 {
		return c
	}
	return cmpUint(uint32(k.Protocol), uint32(o.Protocol))
}

// Compare orders destinations by address and port.
func (k DestinationKey) Compare(o DestinationKey) int {
	if c := k.Address.Compare(o.Address); c != 0 {
		return c
	}
	return cmpUint(uint32(k.Port), uint32(o.Port))
}

// String writes a destination as "10.0.0.1:80".
func (k DestinationKey) String() string { return netip.AddrPortFrom(k.Address, k.Port).String() }

func cmpUint(a, b uint32) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// String gives the protocol's lower-case name.
func (p Protocol) String() string {
	switch p {
	case ProtocolNone:
		return "none"
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case SCTP:
		return "sctp"
	}
	return "protocol " + strconv.Itoa(int(p))
}
