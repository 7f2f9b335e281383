package vrrp

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Limits of configured values.
const (
	maxName     = 15 // of a network interface, IFNAMSIZ less the final zero
	maxDelay    = 1000 * time.Second
	maxLease    = 24 * time.Hour
	minV3       = 10 * time.Millisecond
	maxV3       = 4095 * minV3 // 12 bits of centiseconds (RFC 9568 section 5.2.7)
	maxV2       = 255 * time.Second
	maxAddrs4   = 255 // Count is one byte (RFC 9568 section 5.2.5)
	maxAddrs6   = 90  // what fits a packet of 1500 bytes at all; adverts are not fragmented
	maxSigned6  = 89  // the same beside a trailer of TrailerLen, even where none is sent yet
	maxPassword = 8   // RFC 2338 section 5.3.6
)

// Validate gives everything that is wrong with the configuration of an instance,
// each error a *FieldError.
func (c Config) Validate() []error {
	f := &faults{name: c.Name}
	if c.Name == "" {
		f.add("name", "give the instance a name", "the name is empty")
	}
	c.checkInterface(f)
	f.in("virtual_router_id", int(c.VRID), 1, 255)
	f.in("priority", int(c.Priority), 1, 255)
	f.in("down_timer_adverts", c.DownAdverts, 1, 100)
	c.checkInterval(f)
	c.checkAddresses(f)
	c.checkDelays(f)
	c.checkSending(f)
	c.checkAuthentication(f)
	c.checkHMAC(f)
	c.checkAnnounce(f)
	c.checkTracks(f)
	c.checkRoutes(f)
	return f.all
}

// checkInterface looks at where the instance is. Without an interface it has to be
// told all that is else taken from it.
func (c Config) checkInterface(f *faults) {
	if !c.Unbound() {
		checkInterfaceName(f, "interface", c.Interface)
		if c.VRF != "" {
			f.add("vrf", "take it out, or the interface", "interface %s is in its VRF already", c.Interface)
		}
		return
	}
	if c.Unicast == nil || c.Runs(false) && !c.Source4.IsValid() || c.Runs(true) && !c.Source6.IsValid() {
		f.add("interface", "name the network interface; it may be left out only with unicast, peers and a source of each family", "no interface is given")
		return
	}
	if c.VRF != "" {
		checkInterfaceName(f, "vrf", c.VRF)
	}
	if c.VirtualMAC {
		f.add("virtual_mac", "name the interface, or take it out", "a virtual MAC needs an interface")
	}
	for i, a := range c.Addresses {
		if a.Interface == "" {
			f.add(fmt.Sprintf("virtual_addresses[%d]", i), "write it as a virtual_address block with an interface, or give the instance one", "no interface is given for %v", a.Prefix)
		}
	}
	for i, p := range c.Unicast.Peers {
		if p.Address.IsLinkLocalUnicast() && p.Address.Is6() {
			f.add(fmt.Sprintf("unicast.peers[%d]", i), "name the interface of the instance, or another address", "the link-local address %v is a different one on each interface", p.Address)
		}
	}
}

func checkInterfaceName(f *faults, key, name string) {
	switch {
	case name == "":
		f.add(key, "name the network interface", "no interface is given")
	case len(name) > maxName:
		f.add(key, "", "%q is longer than the %d bytes that an interface name can have", name, maxName)
	case name == "." || name == "..":
		f.add(key, "name the network interface", "%q is not a name", name)
	default:
		for _, r := range name {
			if r == '/' || r == ':' || r <= ' ' {
				f.add(key, "", "%q has a character that no interface name can have", name)
				return
			}
		}
	}
}

func (c Config) checkInterval(f *faults) {
	switch c.Version {
	case 2:
		if c.Interval < time.Second || c.Interval > maxV2 || c.Interval%time.Second != 0 {
			f.add("advert_interval", "give whole seconds from 1s to 255s, or use version 3", "version 2 cannot carry %v", c.Interval)
		}
	case 3:
		if c.Interval < minV3 || c.Interval > maxV3 || c.Interval%minV3 != 0 {
			f.add("advert_interval", "give 10ms to 40.95s in steps of 10ms", "version 3 cannot carry %v", c.Interval)
		}
	default:
		f.add("version", "give 2 or 3", "there is no VRRP version %d", c.Version)
	}
}

func (c Config) checkDelays(f *faults) {
	for _, d := range []struct {
		key string
		d   time.Duration
		max time.Duration
	}{{"preempt_delay", c.PreemptDelay, maxDelay}, {"startup_delay", c.StartupDelay, maxDelay}, {"lease", c.Lease, maxLease}, {"interface_up_delay", c.InterfaceUpDelay, maxDelay}} {
		if d.d < 0 || d.d > d.max {
			f.add(d.key, "", "%v is not between 0s and %v", d.d, d.max)
		}
	}
	if patience := time.Duration(c.DownAdverts-1) * c.Interval; c.InterfaceDownDelay < 0 || c.InterfaceDownDelay > 0 && c.InterfaceDownDelay >= patience {
		f.add("interface_down_delay", fmt.Sprintf("give less than %v", patience), "with %v the peers would take over before this router believes that its interface is down", c.InterfaceDownDelay)
	}
	if c.Lease > 0 && c.Lease%time.Second != 0 {
		f.add("lease", `give whole seconds, or "0s" for no lease`, "the kernel counts a lease in seconds, not %v", c.Lease)
	}
	if c.PreemptDelay > 0 && !c.Preempt {
		f.add("preempt_delay", "take it out or set preempt = true", "it has no meaning with preempt = false")
	}
	if c.PreemptDelay > 0 && c.Priority == OwnerPriority {
		f.add("preempt_delay", "take it out or give a priority below 255", "the address owner always preempts at once (RFC 9568 section 6.1)")
	}
	if c.Bind > BindLocalRoute {
		f.add("bind", `give "address" or "local_route"`, "unknown way of binding")
	}
	if c.Bind == BindLocalRoute && c.VirtualMAC && slices.ContainsFunc(c.Addresses, func(a Address) bool { return a.Prefix.Addr().Is4() }) {
		f.add("bind", `give "address", or virtual_mac = false`, "the interface of a virtual MAC answers ARP only for addresses that are on it, so nobody would be answered for an IPv4 address that is a local route alone")
	}
	if c.Checksum > ChecksumPseudoHeader {
		f.add("checksum", `give "auto", "rfc9568" or "pseudo_header"`, "unknown form of checksum")
	}
	if c.Checksum != ChecksumAuto && c.Version == 2 {
		f.add("checksum", "take it out", "version 2 has one form of checksum only")
	}
}

func (c Config) checkAuthentication(f *faults) {
	switch {
	case c.Password == "":
	case c.Version != 2:
		f.add("authentication", "take it out or set version = 2", "version 3 has no authentication (RFC 9568 section 9)")
	case len(c.Password) > maxPassword:
		f.add("authentication.password", "shorten it: routers that cut it off would still disagree with others", "%d bytes are more than the %d that an advertisement carries", len(c.Password), maxPassword)
	}
}

func (c Config) checkAnnounce(f *faults) {
	f.in("garp.repeat", c.Announce.Repeat, 1, 100)
	for _, d := range []struct {
		key string
		d   time.Duration
	}{{"garp.delay", c.Announce.Delay}, {"garp.refresh", c.Announce.Refresh}, {"garp.pace", c.Announce.Pace}} {
		if d.d < 0 {
			f.add(d.key, "", "%v is negative", d.d)
		}
	}
}

// checkSending looks at where adverts go and come from.
func (c Config) checkSending(f *faults) {
	for _, g := range []struct {
		key  string
		addr netip.Addr
		v6   bool
	}{{"multicast_group4", c.Group4, false}, {"multicast_group6", c.Group6, true}} {
		if g.addr.IsValid() && (!g.addr.IsMulticast() || g.addr.Is6() != g.v6) {
			f.add(g.key, "", "%v is no multicast address of that family", g.addr)
		}
	}
	c.checkSource(f, "source4", c.Source4, false)
	c.checkSource(f, "source6", c.Source6, true)
	if c.Unicast != nil {
		c.checkUnicast(f)
	}
	if w := c.Witness; w != nil {
		if len(w.Ping) == 0 {
			f.add("witness.ping", "name at least one address, the gateway for example", "no address is given")
		}
		if w.Interval <= 0 {
			f.add("witness.interval", "", "%v is not positive", w.Interval)
		}
		if w.Timeout <= 0 {
			f.add("witness.timeout", "", "%v is not positive", w.Timeout)
		}
	}
}

func (c Config) checkSource(f *faults, key string, source netip.Addr, v6 bool) {
	switch {
	case !source.IsValid():
	case source.Is6() != v6 || source.IsMulticast() || source.IsUnspecified() || source.Is4In6():
		f.add(key, "", "%v cannot be a source of that family", source)
	case v6 && c.Unicast == nil && !source.IsLinkLocalUnicast():
		f.add(key, "give an address of fe80::/10", "multicast adverts are sent from a link-local address, not %v (RFC 9568 section 5.1.2.1)", source)
	case c.Priority != OwnerPriority && c.hasAddress(source):
		f.add(key, "give an address that stays on this machine", "%v is a virtual address", source)
	}
}

func (c Config) hasAddress(a netip.Addr) bool {
	for _, v := range c.Addresses {
		if v.Prefix.IsValid() && v.Prefix.Addr() == a {
			return true
		}
	}
	return false
}
