package vip

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// Kernel is all that a holder asks of the system. Its methods are safe for use
// by several goroutines at once. Errors wrap those of the kernel: what is there
// already is fs.ErrExist, what is not there is fs.ErrNotExist.
type Kernel interface {
	// Add creates an object. It fails with fs.ErrExist where the kernel has
	// one of the same identity, whatever its other attributes are.
	Add(o Object) error
	// Renew sets the lifetime of an address. As in the kernel, an address that
	// is gone comes back.
	Renew(a Address) error
	// Remove deletes an object; fs.ErrNotExist where there is none.
	Remove(o Object) error
	// Look compares objects with what is there, by one reading of each kind for all
	// of them, and gives one Sight for each, in their order. The error is of those that
	// are Unseen; the others are none the worse for it.
	Look(objects []Object) ([]Sight, error)
	// Addresses lists every address of every interface.
	Addresses() ([]Found, error)
	// Prepare opens whatever an announcement from the interface needs, so that
	// the first one waits for nothing. It may be called again at any time.
	Prepare(link string) error
	// Warm runs through what Add of an address does, without any effect.
	Warm()
	// Announce sends one gratuitous ARP or unsolicited neighbour advertisement.
	Announce(a Announcement) error
	// Watch reports changes made by anybody, until the context ends. Where changes
	// may have been missed, as before it began, it reports each interface that is not
	// what it was, and then a zero Change.
	Watch(ctx context.Context, report func(Change)) error
}

// Object is something that a holder can put into the kernel: an Address, a
// LocalRoute, a Route, a Rule, a Macvlan, Up, a Sysctl or Drop. Objects are
// comparable values.
type Object interface {
	// Identity strips all attributes by which the kernel does not tell two
	// objects apart.
	Identity() Object
	String() string
}

// Sight is what the kernel has of an object.
type Sight uint8

// The sights.
const (
	Absent  Sight = iota // nothing of its identity
	Foreign              // something of its identity, which usher did not put there
	Differs              // put there by usher, and other than it shall be by now
	InPlace              // put there by usher, and as it shall be
	Unseen               // the kernel did not say
)

// Ours says whether usher put there what was seen.
func (s Sight) Ours() bool { return s == Differs || s == InPlace }

// Address is a virtual address on an interface.
type Address struct {
	Link   string // name of the interface
	Prefix netip.Prefix
	Label  string
	Scope  uint8         // as in /etc/iproute2/rt_scopes: 0 global, 200 site, 253 link, 254 host
	Lease  time.Duration // the kernel removes the address after it, counted in whole seconds, rounded up; 0 for never
}

// Identity of an address is its interface and prefix.
func (a Address) Identity() Object { return Address{Link: a.Link, Prefix: a.Prefix} }

// String is the address as `ip address add` takes it.
func (a Address) String() string { return a.Prefix.String() + " dev " + a.Link }

// Found is an address that the kernel has.
type Found struct {
	Address Address
	Ours    bool // it carries usher's mark (IFA_PROTO), so usher put it there
	Leased  bool // it has a lifetime
}

// Announcement tells the neighbours which hardware address has an IP address:
// an ARP request for IPv4 (RFC 5227 section 3, RFC 9568 section 8.1.2), an
// unsolicited neighbour advertisement for IPv6 (RFC 4861 section 7.2.6).
type Announcement struct {
	Link    string // the interface that sends it
	Address netip.Addr
	MAC     [6]byte // hardware address to announce; all zero for the interface's own
}

// HardwareAddr is the hardware address to announce, nil for the interface's own.
func (a Announcement) HardwareAddr() net.HardwareAddr {
	if a.MAC == ([6]byte{}) {
		return nil
	}
	return a.MAC[:]
}

// Change is something that happened to an interface, to one of its addresses, or
// to a route or rule of usher's. The zero Change says that some may have been missed.
type Change struct {
	Link    string
	Address netip.Addr // an address that was removed; invalid where the interface itself changed
	Down    bool       // the interface is down now: it has no neighbours to tell
	Routing bool       // a route or rule of usher's was removed; the others are not set then
}
