package engine

import (
	"net"
	"net/netip"
	"time"

	"usher/vrrp"
)

// Ports is what the engine asks of the world. None of its methods may block.
type Ports interface {
	// Send puts one advertisement on the wire. Its payload may be kept only until Send returns.
	Send(instance string, out Outgoing) error
	// Hold says whether an instance's addresses shall be on this machine. Setting
	// them announces them.
	Hold(instance string, active bool)
	// Announce asks for another round of announcements: somebody contested the addresses.
	Announce(instance string)
	// AnnounceSource tells the neighbours, once, where a source of unicast adverts is. It
	// is called before the sockets are asked for that hear what they send to it.
	AnnounceSource(s OwnSource)
	// Event reports what happened. A change of a whole sync group is an event of
	// its own, with Group set and Instance empty.
	Event(e vrrp.Event)
}

// Options of an Engine.
type Options struct {
	Ports Ports
	// Will takes the adverts of priority 0 by which somebody else can resign for an
	// active instance, should this process die. It is called whenever they change,
	// with none where the instance gives its addresses up, and must not block. What it is
	// given is its own. Nil where nobody is there to do it.
	Will func(instance string, resignation []Outgoing)
	// Clock gives the time that stamps are taken of and compared with; nil for that which
	// the engine is told. It may be set while the other goes on evenly.
	Clock func(now time.Time) time.Time
	// Stamps outlive this process; nil for none that do.
	Stamps Stamps
}

// Outgoing is one advertisement to one destination. Its family is that of Destination.
type Outgoing struct {
	Interface   string // the device to send from; "" for the one that the routes say
	Index       int    // that device's index, or Anywhere
	Source      netip.Addr
	Destination netip.Addr
	MAC         net.HardwareAddr // the virtual router's, to send with; nil for the device's own
	TTL         uint8
	Payload     []byte
	// Signing is set where the payload is still to be signed, which only a resignation for
	// Options.Will is.
	Signing *Signing `json:",omitempty"`
}

// Incoming is one received VRRP message with what its IP header said. Its family is
// that of Destination. Addresses carry no zone.
type Incoming struct {
	Index       int // of the device whose Socket it came in on, or Anywhere
	Source      netip.Addr
	Destination netip.Addr
	TTL         uint8
	Payload     []byte
}

// Link is a network interface as it stands now. The engine has to be told of all
// interfaces that instances name, track or use as macvlan.
type Link struct {
	Name      string
	Index     int
	Gone      bool // there is no interface of that name any more
	Up        bool // administratively and operationally
	MAC       net.HardwareAddr
	MTU       int          // in bytes, from the IP header on; 0 where it is not known
	Addresses []netip.Addr // that can be used as a source, in the kernel's order, without zones
	// Lasting are the addresses that somebody else than usher put there to stay
	// (vrrp.LocalAddress.Lasting), Marked those that carry usher's mark.
	Lasting, Marked []netip.Prefix
	// ARPOff says that it is of a kind that answers ARP, and has been set not to.
	ARPOff bool
	// Port says which interface it is a port of that takes in all that arrives here: a
	// bridge, a bond or a team. The zero value where there is none.
	Port Port
}

// Port is what an interface is a port of.
type Port struct {
	Kind, Name string // as the kernel calls them: "bridge", "br0"
}

// Anywhere is the index of a Socket that hears unicast adverts on every interface.
const Anywhere = -1

// Socket is a device that adverts are received on.
type Socket struct {
	Interface string // "" where Index is Anywhere
	Index     int
	V6        bool
	// Groups are the multicast groups to join, sorted. A macvlan joins none: only
	// frames that bear its own MAC address are wanted from there, which the kernel
	// withholds from the interface below.
	Groups  []netip.Addr
	Macvlan bool
}
