package vrrp

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"
)

// LocalAddress is an address that an interface of this machine has.
type LocalAddress struct {
	Interface string
	Prefix    netip.Prefix
	Marked    bool          // it carries usher's mark (IFA_PROTO), so usher put it there
	Lifetime  time.Duration // that is left of it; 0 for a permanent one
}

// fleeting is the lifetime up to which an unmarked address is nobody's for good: it
// may be one of usher's own, on a kernel before 5.18, which keeps no mark.
const fleeting = time.Minute

// Lasting says that somebody else than usher put an address there to stay.
func (l LocalAddress) Lasting() bool {
	return !l.Marked && (l.Lifetime == 0 || l.Lifetime > fleeting)
}

// Leftover says whether an address of this instance that is there while the instance
// is not active was left by an usher that is gone: it carries usher's mark, or has no
// more to live than a lease. Anything else may be what the machine is reached by.
func (c Config) Leftover(l LocalAddress) bool {
	leased := c.Lease > 0 && l.Lifetime > 0 && l.Lifetime <= (c.Lease+time.Second-1).Truncate(time.Second)
	return l.Marked || leased && c.Priority != OwnerPriority
}

// Foreign says what is wrong where a virtual address of this instance is on this
// machine by somebody else's hand, "" where it is not. A permanent address is no
// leftover of usher's: it is not usher's to remove, nor to hand to a peer. The owner's
// addresses (priority 255) are its own.
func (c Config) Foreign(l LocalAddress) string {
	if c.Priority == OwnerPriority || !l.Lasting() {
		return ""
	}
	for _, a := range c.Addresses {
		if a.Prefix.Addr() == l.Prefix.Addr() && c.carries(a, l.Interface) {
			return fmt.Sprintf("%v is on %s already and usher did not put it there: where it is this machine's own, give another virtual address, "+
				"or priority 255 (owner); where another program left it, ip address delete %v dev %s", l.Prefix, l.Interface, l.Prefix, l.Interface)
		}
	}
	return ""
}

// carries says whether an interface is the one that has an address of this instance while
// it is active: its own, or the macvlan on it.
func (c Config) carries(a Address, name string) bool {
	on := cmp.Or(a.Interface, c.Interface)
	return name == on || c.VirtualMAC && on == c.Interface && name == VirtualDevice(c, a.Prefix.Addr().Is6())
}

// Elsewhere says whether somebody else put an IPv4 virtual address of this instance on
// another interface of this machine to stay, and gives the interface that usher has it on.
// The machine of a virtual address that is a real server as well has it on its loopback:
// that is no fault, but unless the kernel is told not to answer for it (AnswersARP) the
// network finds the address here, whoever is active.
func (c Config) Elsewhere(l LocalAddress) (on string, there bool) {
	if c.Priority == OwnerPriority || !l.Lasting() || !l.Prefix.Addr().Is4() {
		return "", false
	}
	for _, a := range c.Addresses {
		switch {
		case a.Prefix.Addr() != l.Prefix.Addr():
		case c.carries(a, l.Interface):
			return "", false
		default:
			on, there = cmp.Or(a.Interface, c.Interface), true
		}
	}
	return on, there
}

// ElsewhereText says what is wrong where an address is on an interface beside the one that
// usher has it on, and how that is mended.
func ElsewhereText(address, name, on string) string {
	return fmt.Sprintf("%s is on %s as well and usher did not put it there: this machine answers ARP for it on %s whoever is active: "+
		"ip address delete %s dev %s, or where it is to stay sysctl -w net.ipv4.conf.%s.arp_ignore=1", address, name, on, address, name, on)
}

// AnswersARP says whether an interface with this arp_ignore (the larger of its own and that
// of all, see the kernel's ip-sysctl.rst) answers ARP for addresses of other interfaces.
// With 1 and 2 it does for its own alone, with 8 for none; 3 is of addresses with the scope
// of the host, and the rest is as 0.
func AnswersARP(ignore int) bool { return ignore != 1 && ignore != 2 && ignore != 8 }
