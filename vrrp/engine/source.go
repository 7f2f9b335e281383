package engine

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
)

// OwnSource is an address that unicast adverts come from, on the interface that has it.
type OwnSource struct {
	Interface string
	Address   netip.Addr
	MAC       net.HardwareAddr // of the interface, 6 octets
}

// placed is a source address on an interface, by the interface's index.
type placed struct {
	address netip.Addr
	index   int
}

// announceSources tells the link where the source addresses of unicast instances are,
// whenever that is news: at start, after the interface was down, is another one or has
// another MAC address, and for another source. Peers send their adverts to that address by their neighbour caches,
// which can name the MAC address of a machine that was replaced for as long as a peer
// that answers nobody else has no reason to ask again; a router that does not hear the
// active one takes over from it.
func (e *Engine) announceSources() {
	told := e.told
	e.told = map[placed]string{}
	for _, in := range e.instances {
		if in.cfg.Unicast == nil {
			continue
		}
		for _, f := range in.families {
			l, ok := e.sourceLink(f)
			if !ok {
				continue
			}
			at, mac := placed{f.source, l.Index}, string(l.MAC)
			if _, done := e.told[at]; !done && told[at] != mac {
				e.ports.AnnounceSource(OwnSource{Interface: l.Name, Address: f.source, MAC: l.MAC})
			}
			e.told[at] = mac
		}
	}
}

// sourceLink is the interface that has the source of a family, where it is up and has
// neighbours that know it by a MAC address.
func (e *Engine) sourceLink(f family) (l Link, ok bool) {
	if !f.source.IsValid() || f.lost {
		return l, false
	}
	if f.device.Index != Anywhere && slices.Contains(f.device.Addresses, f.source) {
		return f.device, f.device.Up && len(f.device.MAC) == macLength
	}
	for _, other := range e.links {
		if other.Up && len(other.MAC) == macLength && slices.Contains(other.Addresses, f.source) && (!ok || cmp.Compare(other.Index, l.Index) < 0) {
			l, ok = other, true
		}
	}
	return l, ok
}

// macLength is that of Ethernet and what speaks ARP as it does.
const macLength = 6
