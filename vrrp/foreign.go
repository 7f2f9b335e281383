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
		on := cmp.Or(a.Interface, c.Interface)
		carried := c.VirtualMAC && on == c.Interface && l.Interface == VirtualDevice(c, a.Prefix.Addr().Is6())
		if a.Prefix.Addr() == l.Prefix.Addr() && (l.Interface == on || carried) {
			return fmt.Sprintf("%v is on %s already and usher did not put it there: where it is this machine's own, give another virtual address, "+
				"or priority 255 (owner); where another program left it, ip address delete %v dev %s", l.Prefix, l.Interface, l.Prefix, l.Interface)
		}
	}
	return ""
}
