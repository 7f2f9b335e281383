package engine

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"time"

	"usher/vrrp"
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

// telling is what was told of a source last, and when.
type telling struct {
	mac  string
	when time.Time
}

// announceSources tells the link where the source addresses of unicast instances are,
// whenever that is news: at start, after the interface was down, is another one or has
// another MAC address, and for another source. Peers send their adverts to that address by their neighbour caches,
// which can name the MAC address of a machine that was replaced for as long as a peer
// that answers nobody else has no reason to ask again; a router that does not hear the
// active one takes over from it.
func (e *Engine) announceSources(now time.Time) {
	told := e.told
	e.told = map[placed]telling{}
	for _, in := range e.instances {
		e.eachSource(in, func(at placed, l Link) {
			if _, done := e.told[at]; done {
				return
			}
			was, mac := told[at], string(l.MAC)
			if was.mac != mac {
				was = e.announceSource(now, at, l)
			}
			e.told[at] = was
		})
	}
}

// sourceEvery is how often a router that hears no other one tells where it is.
const sourceEvery = 5 * time.Second

// remindOfSources has routers that hear no other one, and so are active or would be, tell
// again where they are: they may be deaf for no other reason than that their peers
// send elsewhere. The first word is lost where the cable was not yet in its
// place, and a peer that was on a wrong network for a while learns wrong there.
func (e *Engine) remindOfSources(now time.Time) {
	for _, in := range e.instances {
		if in.m.State() != vrrp.Active && !in.wants {
			continue
		}
		e.eachSource(in, func(at placed, l Link) {
			if now.Sub(e.told[at].when) >= sourceEvery {
				e.told[at] = e.announceSource(now, at, l)
			}
		})
	}
}

// eachSource gives the sources of an instance's unicast adverts that can be told of.
func (e *Engine) eachSource(in *instance, tell func(at placed, l Link)) {
	if in.cfg.Unicast == nil {
		return
	}
	for _, f := range in.families {
		if l, ok := e.sourceLink(f); ok {
			tell(placed{f.source, l.Index}, l)
		}
	}
}

func (e *Engine) announceSource(now time.Time, at placed, l Link) telling {
	e.ports.AnnounceSource(OwnSource{Interface: l.Name, Address: at.address, MAC: l.MAC})
	return telling{string(l.MAC), now}
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
