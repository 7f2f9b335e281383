package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"usher/vrrp"
	"usher/vrrp/packet"
	"usher/vrrp/timespan"
)

// How long a disagreement lasts after the last packet that showed it, at least, and how
// many are remembered of an instance: senders can be invented.
const (
	disagreementLasts = 5 * time.Second
	maxDisagreements  = 16
)

// disagreement is what another router does otherwise that has addresses of this virtual
// router, so that its adverts are discarded and both are active.
type disagreement struct {
	vrrp.Disagreement
	last time.Time
}

// disagree notes why adverts of another router are discarded, and tells of it once.
func (e *Engine) disagree(now time.Time, in *instance, msg Incoming, a packet.Advert, reason vrrp.Discard) {
	text := in.differs(msg, a, reason)
	if text == "" {
		text = e.hmacDiffers(now, in, msg, reason)
	}
	if text != "" {
		e.noteDisagreement(now, in, msg.Source, reason, text)
	}
}

func (e *Engine) noteDisagreement(now time.Time, in *instance, peer netip.Addr, reason vrrp.Discard, text string) {
	for _, d := range in.disagreements {
		if d.Peer == peer && d.Reason == reason {
			d.Text, d.last = text, now
			return
		}
	}
	if len(in.disagreements) >= maxDisagreements {
		return
	}
	in.disagreements = append(in.disagreements, &disagreement{vrrp.Disagreement{Peer: peer, Reason: reason, Text: text, Since: now}, now})
	if e.limits.allow(now, limit{in.cfg.Name, peer, "disagreement " + string(reason)}) {
		e.disagreed(now, in, vrrp.EventDisagreement, peer, text)
	}
}

// claimed notes an advert of a VRID that nothing has on its interface and that bears an
// address of ours: both are active, and neither takes the other for its peer. Other
// virtual routers on the wire are nobody's business. An advert has 255 addresses at most,
// each of which is looked up once, however many addresses there are here.
func (e *Engine) claimed(now time.Time, msg Incoming) {
	a, _, reason := packet.Parse(msg.Payload, msg.Source, msg.Destination)
	if reason != vrrp.DiscardNone {
		return
	}
	for _, addr := range a.Addresses {
		for _, in := range e.owners[addr] {
			f := in.family(msg.Destination.Is6())
			if f == nil || msg.Index == 0 || (f.device.Index != msg.Index && f.macvlan.Index != msg.Index) {
				continue
			}
			e.noteDisagreement(now, in, msg.Source, vrrp.DiscardVRID, fmt.Sprintf(
				"%v advertises %v as virtual router %d, this router as %d: give both the same virtual_router_id", msg.Source, addr, a.VRID, in.cfg.VRID))
			return
		}
	}
}

// findOwners makes the index of the instances that have an address.
func (e *Engine) findOwners() {
	e.owners = map[netip.Addr][]*instance{}
	for _, in := range e.instances {
		for _, a := range in.cfg.Addresses {
			addr := a.Prefix.Addr()
			e.owners[addr] = append(e.owners[addr], in)
		}
	}
}

// disagreementLasts is how long after the last packet that showed it one ends.
func (in *instance) disagreementLasts() time.Duration {
	return max(disagreementLasts, in.m.DownInterval())
}

// agreeDue is when the first disagreement ends, unless it is shown again; ok is false
// where there is none.
func (e *Engine) agreeDue() (at time.Duration, ok bool) {
	for _, in := range e.instances {
		for _, d := range in.disagreements {
			if due := e.since(d.last) + in.disagreementLasts(); !ok || due < at {
				at, ok = due, true
			}
		}
	}
	return at, ok
}

// agree forgets disagreements that nothing has shown for a while.
func (e *Engine) agree(now time.Time, in *instance) {
	lasts := in.disagreementLasts()
	in.disagreements = slices.DeleteFunc(in.disagreements, func(d *disagreement) bool {
		over := now.Sub(d.last) >= lasts
		if over {
			e.disagreed(now, in, vrrp.EventDisagreementEnd, d.Peer, fmt.Sprintf("for %s nothing was discarded of %v for %s", timespan.Text(lasts), d.Peer, d.Reason))
		}
		return over
	})
}

func (e *Engine) disagreed(now time.Time, in *instance, kind vrrp.EventKind, peer netip.Addr, text string) {
	e.ports.Event(vrrp.Event{
		Time: now, Instance: in.cfg.Name, Kind: kind, From: in.m.State(), To: in.m.State(),
		Priority: in.m.Priority(), Peer: peer, Reason: text,
	})
}

// differs says what the sender of a discarded message does otherwise and what to
// change, "" where that is no matter of configuration.
func (in *instance) differs(msg Incoming, a packet.Advert, reason vrrp.Discard) string {
	who, cfg := msg.Source, in.cfg
	switch reason {
	case vrrp.DiscardVersion:
		return fmt.Sprintf("%v sends version %d, this router version %d: give both the same version", who, msg.Payload[0]>>4, cfg.Version)
	case vrrp.DiscardAuthMismatch, vrrp.DiscardAuthType:
		if _, rest, _ := packet.Split(msg.Payload, msg.Destination.Is6()); rest != nil {
			return fmt.Sprintf("%v signs its advertisements, this router has no authentication of type hmac: give it the keys, with mode = \"receive-only\" before others sign", who)
		}
		if cfg.Password != "" {
			return fmt.Sprintf("%v sends no simple password, this router does: give both the same authentication, or neither", who)
		}
		return fmt.Sprintf("%v sends authentication, this router none: give both the same authentication, or neither", who)
	case vrrp.DiscardAuthFailure:
		return fmt.Sprintf("%v sends another password: give both the same in authentication", who)
	case vrrp.DiscardInterval:
		return fmt.Sprintf("%v advertises every %s, this router every %s: in version 2 both need the same advert_interval", who, timespan.Text(a.Interval), timespan.Text(cfg.Interval))
	case vrrp.DiscardUnknownPeer:
		return in.wayDiffers(msg)
	case vrrp.DiscardTTL:
		return fmt.Sprintf("%v sends with TTL %d, not 255: it has another ttl configured, or is behind a router; unicast peers may be", who, msg.TTL)
	case vrrp.DiscardPeerTTL:
		return fmt.Sprintf("%v sends with TTL %d, outside of its min_ttl and max_ttl in unicast.peer", who, msg.TTL)
	case vrrp.DiscardChecksum:
		return fmt.Sprintf("%v sends a checksum that is wrong in either form: it is damaged on its way, or of another protocol", who)
	case vrrp.DiscardOwnSource:
		return fmt.Sprintf("adverts come in from %v, this router's own address: another machine has it as well, or the network loops packets back", who)
	}
	return ""
}

// wayDiffers is differs for a message that came another way than this router's peers send.
// One that advertises none of this router's addresses is another virtual router, whose
// unicast came by this interface.
func (in *instance) wayDiffers(msg Incoming) string {
	if !slices.ContainsFunc(in.families, func(f family) bool { return in.astray(&f, msg) }) {
		return ""
	}
	peers := in.cfg.Peers(msg.Destination.Is6())
	switch {
	case len(peers) == 0:
		return fmt.Sprintf("%v sends unicast, this router multicast: give both a unicast block with the other as peer, or neither", msg.Source)
	case msg.Destination.IsMulticast():
		return fmt.Sprintf("%v sends multicast, this router unicast: give both a unicast block with the other as peer, or neither", msg.Source)
	}
	return fmt.Sprintf("%v is not among this router's unicast peers: add it, or take this router out of its peers", msg.Source)
}

// astray says whether a message that came another way than this router's peers send
// belongs to it: it bears its VRID, which others on the wire may use as well, and one of
// its addresses.
func (in *instance) astray(f *family, msg Incoming) bool {
	a, _, _ := packet.Parse(msg.Payload, msg.Source, msg.Destination)
	return slices.ContainsFunc(a.Addresses, func(addr netip.Addr) bool { return slices.Contains(f.addresses, addr) })
}
