package announce

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"usher/vrrp/timespan"
)

// checker collects what is wrong with one thing.
type checker struct {
	of   string
	errs []error
}

func (c *checker) complain(key, hint, problem string, args ...any) {
	c.errs = append(c.errs, &FieldError{Of: c.of, Key: key, Problem: fmt.Sprintf(problem, args...), Hint: hint})
}

// asn checks an autonomous system's number (RFC 6793, RFC 7300, RFC 7607).
func (c *checker) asn(n uint32) {
	switch n {
	case 0, 65535, 23456, math.MaxUint32:
		c.complain("asn", "private numbers are 64512 to 65534 and 4200000000 to 4294967294", "%d is reserved", n)
	}
}

// mostRestart is the longest Restart Time of RFC 4724 section 3, a field of 12 bits.
const mostRestart = 4095 * time.Second

// Validate gives everything that is wrong with a speaker, as *FieldError.
func (l Local) Validate() []error {
	c := checker{of: "bgp"}
	c.asn(l.ASN)
	switch id := l.RouterID; {
	case !id.Is4() || id.IsUnspecified() || id.IsMulticast() || id.IsLoopback():
		c.complain("router_id", "give an IPv4 address of this director that no other speaker has", "%s can be no BGP identifier", id)
	}
	if g := l.GracefulRestart; g < 0 || g > mostRestart || g%time.Second != 0 {
		c.complain("graceful_restart", "", "must be whole seconds, 0s to %s", timespan.Text(mostRestart))
	}
	return c.errs
}

// The hold time of RFC 4271 section 4.2, in 16 bits. There it may be 0, for a session that is
// never found dead; a director wants none of that.
const (
	leastHold = 3 * time.Second
	mostHold  = 65535 * time.Second
)

// mostPassword is TCP_MD5SIG_MAXKEYLEN of linux/tcp.h, in bytes.
const mostPassword = 80

// Detection is how long a neighbour that says nothing is taken for alive, where both ends
// have these settings (RFC 5880 section 6.8.4).
func (b BFD) Detection() time.Duration {
	return time.Duration(b.Multiplier) * max(b.MinTX, b.MinRX)
}

// Validate gives everything that is wrong with a peer of a speaker, as *FieldError.
func (p Peer) Validate(l Local) []error {
	c := checker{of: "peer " + strconv.Quote(p.Address.String())}
	c.asn(p.ASN)
	if a := p.Address; a.IsUnspecified() || a.IsMulticast() {
		c.complain("address", "give the router's own", "%s is no router's address", a)
	} else if a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == "" {
		c.complain("address", fmt.Sprintf("write %s%%eth0, with the interface that it is on", a), "a link-local address is on several networks")
	}
	if s := p.Source; s.IsValid() && s.Is4() != p.Address.Is4() {
		c.complain("source", "", "%s is not of the address family of %s", s, p.Address)
	}
	c.nextHop("next_hop4", p.NextHop4, netip.Addr.Is4, "IPv4")
	c.nextHop("next_hop6", p.NextHop6, func(a netip.Addr) bool { return a.Is6() && !a.Is4In6() }, "IPv6")
	if len(p.Password) > mostPassword {
		c.complain("password", "", "has %d bytes, and the kernel takes %d", len(p.Password), mostPassword)
	}
	if p.TTLSecurity && p.MultiHop > 0 {
		c.complain("multihop", "leave out one of the two", "ttl_security takes routers that are one hop away, multihop those that are not")
	}
	c.hold(p)
	if p.BFD.MinTX > 0 && p.MultiHop > 0 {
		c.complain("bfd", "leave bfd or multihop out", "usher speaks BFD with direct neighbours (RFC 5881), not over several hops")
	}
	return c.errs
}

func (c *checker) nextHop(key string, a netip.Addr, family func(netip.Addr) bool, name string) {
	if a.IsValid() && (!family(a) || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback()) {
		c.complain(key, "give an address of this director that the router reaches", "%s is no %s address of a director", a, name)
	}
}

// hold checks the hold time, also against BFD, which is there to be faster.
func (c *checker) hold(p Peer) {
	switch h := p.HoldTime; {
	case h < leastHold || h > mostHold || h%time.Second != 0:
		c.complain("hold_time", "", "must be whole seconds from 3s to 65535s")
	case p.BFD.MinTX > 0 && h <= p.BFD.Detection():
		c.complain("hold_time", "make the hold time longer, or min_tx and min_rx of bfd shorter",
			"%s is over before BFD, which takes %s (multiplier times the greater of min_tx and min_rx)", timespan.Text(h), timespan.Text(p.BFD.Detection()))
	}
}

// Validate gives everything that is wrong with an announcement by itself, as *FieldError.
func (a Announcement) Validate() []error {
	c := checker{of: "announce " + strconv.Quote(a.Name)}
	seen := map[netip.Prefix]bool{}
	for i, p := range a.Prefixes {
		key := fmt.Sprintf("addresses[%d]", i)
		switch ip := p.Addr(); {
		case p.Bits() != ip.BitLen():
			c.complain(key, fmt.Sprintf("write %s/%d", ip, ip.BitLen()), "%s is not one host's route", p)
		case ip.IsUnspecified() || ip.IsMulticast() || ip.IsLoopback() || ip.IsLinkLocalUnicast():
			c.complain(key, "", "%s cannot be routed", ip)
		case seen[p]:
			c.complain(key, "leave it out once", "%s is there twice", p)
		}
		seen[p] = true
	}
	if len(a.Prefixes) == 0 {
		c.complain("addresses", "", "names no address")
	}
	return c.errs
}

// ParseCommunity reads "65000:100", two numbers of 16 bits (RFC 1997), or a well-known name.
func ParseCommunity(text string) (Community, error) {
	switch strings.ToLower(text) {
	case "no-export":
		return 0xFFFFFF01, nil
	case "no-advertise":
		return 0xFFFFFF02, nil
	case "graceful-shutdown":
		return 0, fmt.Errorf("%q is set by usher itself, while it drains", text)
	}
	high, low, ok := strings.Cut(text, ":")
	h, err := strconv.ParseUint(high, 10, 16)
	l, lowErr := strconv.ParseUint(low, 10, 16)
	if !ok || err != nil || lowErr != nil {
		return 0, fmt.Errorf("%q is no community: write two numbers of 0 to 65535, as in 65000:100, no-export or no-advertise", text)
	}
	c := Community(h<<16 | l)
	if c == GracefulShutdown {
		return 0, fmt.Errorf("%q is set by usher itself, while it drains", text)
	}
	return c, nil
}

// ValidateSet gives what is wrong with announcements and peers together, each error with the
// index of the announcement, or -1 for the speaker's.
func (c Config) ValidateSet() (errs []error, at []int) {
	add := func(i int, err *FieldError) {
		errs, at = append(errs, err), append(at, i)
	}
	owner := map[netip.Prefix]string{}
	for i, a := range c.Announcements {
		for k, p := range a.Prefixes {
			if other, taken := owner[p]; taken && other != a.Name {
				add(i, &FieldError{Of: "announce " + strconv.Quote(a.Name), Key: fmt.Sprintf("addresses[%d]", k),
					Problem: fmt.Sprintf("%s is announced by announce %q, too", p, other), Hint: "an address can belong to one of them only"})
				continue
			}
			owner[p] = a.Name
		}
	}
	if c.Local.GracefulRestart > 0 {
		for _, p := range c.Peers {
			if p.BFD.MinTX == 0 {
				add(-1, &FieldError{Of: "bgp", Key: "graceful_restart",
					Problem: fmt.Sprintf("peer %s has no bfd, so that a director that is dead would keep its traffic for %s", p.Address, timespan.Text(c.Local.GracefulRestart)),
					Hint:    "give bfd to every peer, or leave graceful_restart out"})
				break
			}
		}
	}
	return errs, at
}
