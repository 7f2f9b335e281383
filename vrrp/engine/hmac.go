package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"usher/vrrp"
	"usher/vrrp/packet"
)

// Stamps keep the last sequence number that was sent for each VRID where the process
// that goes on after this one finds it. Their methods must not block.
type Stamps interface {
	Last(vrid uint8) vrrp.Sequence // 0 for none
	Keep(vrid uint8, s vrrp.Sequence)
}

// Signing is what it takes to sign an advert later, as it is sent: a signature of today
// would be a replay, or stale.
type Signing struct {
	Key        vrrp.HMACKey    `json:"key"`
	AntiReplay vrrp.AntiReplay `json:"anti_replay"`
	Window     time.Duration   `json:"window"`
}

// Sign signs an advert whose Signing is given with a sequence number after that of the
// stamps, which keep it; nil for none that do. An advert without Signing is given back as it is.
func Sign(out Outgoing, stamps Stamps, clock time.Time) Outgoing {
	if out.Signing == nil || len(out.Payload) < 2 {
		return out
	}
	vrid := out.Payload[1]
	h := vrrp.HMAC{AntiReplay: out.Signing.AntiReplay, Window: out.Signing.Window}
	last := vrrp.Sequence(0)
	if stamps != nil {
		last = stamps.Last(vrid)
	}
	s := h.Next(last, clock)
	if stamps != nil {
		stamps.Keep(vrid, s)
	}
	t := packet.NewKey(out.Signing.Key).Sign(out.Payload, out.Source, s)
	out.Payload = packet.AppendTrailer(slices.Clone(out.Payload), 0, &t, out.Source, out.Destination)
	out.Signing = nil
	return out
}

// authentication is what an instance has ready to sign and to verify with.
type authentication struct {
	keys   []*packet.Key
	signer *packet.Key // nil where nothing is signed
	last   vrrp.Sequence
	replay vrrp.Replay
}

// configure makes the keys of a configuration ready. What is known of senders stays.
func (a *authentication) configure(h *vrrp.HMAC) {
	a.keys, a.signer = nil, nil
	if h == nil {
		return
	}
	for _, k := range h.Keys {
		a.keys = append(a.keys, packet.NewKey(k))
	}
	if h.Signs() {
		a.signer = a.key(h.ActiveKey)
	}
}

func (a *authentication) key(id uint8) *packet.Key {
	for _, k := range a.keys {
		if k.ID() == id {
			return k
		}
	}
	return nil
}

// stamp is the sequence number of the advert that is sent now.
func (e *Engine) stamp(now time.Time, in *instance) vrrp.Sequence {
	a := in.auth
	if a.last == 0 && e.stamps != nil {
		a.last = e.stamps.Last(in.cfg.VRID) // of a process before this one
	}
	a.last = in.cfg.HMAC.Next(a.last, e.clock(now))
	if e.stamps != nil {
		e.stamps.Keep(in.cfg.VRID, a.last)
	}
	return a.last
}

// proof is what the trailer of an advert shows.
type proof struct {
	signed   bool
	key      uint8
	sequence vrrp.Sequence
}

// prove makes the checks of the trailer, in keepalived's order, which has the checksum
// after them. But the mark of the sender is raised after all checks of the message, so
// that a damaged copy does not make a replay of the true advert.
func (e *Engine) prove(now time.Time, in *instance, msg Incoming) (p proof, reason vrrp.Discard) {
	body, rest, reason := packet.Split(msg.Payload, msg.Destination.Is6())
	h := in.cfg.HMAC
	switch {
	case reason != vrrp.DiscardNone:
		return p, reason
	case rest == nil && h.Enforces():
		return p, vrrp.DiscardHMACMissing
	case rest == nil:
		return p, vrrp.DiscardNone
	case h == nil:
		return p, vrrp.DiscardAuthMismatch
	}
	t, ok := packet.ReadTrailer(rest)
	p = proof{signed: true, key: t.KeyID(), sequence: t.Sequence()}
	clock := e.clock(now)
	switch {
	case !ok:
		return p, vrrp.DiscardHMACMalformed
	case h.Stale(p.sequence, clock):
		return p, vrrp.DiscardHMACStale
	}
	switch key := in.auth.key(p.key); {
	case key == nil:
		return p, vrrp.DiscardHMACUnknownKey
	case !key.Verify(body, &t, msg.Source):
		return p, vrrp.DiscardHMACBad
	case !in.auth.replay.New(msg.Source, p.sequence, h, clock):
		return p, vrrp.DiscardHMACReplay
	}
	return p, vrrp.DiscardNone
}

// authenticated takes note of an advert that passed all checks.
func (e *Engine) authenticated(now time.Time, in *instance, from netip.Addr, p proof) {
	switch {
	case p.signed:
		in.stats.HMACVerified++
		in.auth.replay.Raise(from, p.sequence)
	case in.cfg.HMAC != nil:
		in.stats.HMACUnsigned++
	}
	e.hear(now, in, from, p)
}

// maxHeard bounds how many routers are remembered of an instance: without a key, senders
// can be invented.
const maxHeard = 64

// hear notes whether a router signs, and tells of it when that changes. Only an active
// router is heard at all.
func (e *Engine) hear(now time.Time, in *instance, from netip.Addr, p proof) {
	was := in.heardOf[from]
	is := was
	is.Address, is.Key, is.ClockOffset = from, p.key, 0
	if p.signed {
		is.SignedAt, is.ClockOffset = now, p.sequence.Ahead(e.clock(now))
	} else {
		is.UnsignedAt = now
	}
	if in.heardOf == nil {
		in.heardOf = map[netip.Addr]vrrp.PeerStatus{}
	}
	if _, known := in.heardOf[from]; !known && len(in.heardOf) >= maxHeard {
		in.forgetOldest()
	}
	in.heardOf[from] = is
	h := in.cfg.HMAC
	if h == nil || is.Key == was.Key && was.Address.IsValid() {
		return
	}
	text := fmt.Sprintf("%v signs its advertisements with key %d", from, p.key)
	if !p.signed {
		text = fmt.Sprintf("%v does not sign its advertisements", from)
	}
	if e.limits.allow(now, limit{in.cfg.Name, from, text}) {
		e.ports.Event(vrrp.Event{
			Time: now, Instance: in.cfg.Name, Kind: vrrp.EventAuthentication, From: in.m.State(), To: in.m.State(),
			Priority: in.m.Priority(), Peer: from, Reason: text,
		})
	}
}

// forgetOldest makes room for another router. One that signs is real, and stays while there
// are others.
func (in *instance) forgetOldest() {
	var oldest vrrp.PeerStatus
	for _, p := range in.heardOf {
		signs, signed := !p.SignedAt.IsZero(), !oldest.SignedAt.IsZero()
		if !oldest.Address.IsValid() || signed && !signs || signed == signs && p.HeardAt().Before(oldest.HeardAt()) {
			oldest = p
		}
	}
	delete(in.heardOf, oldest.Address)
}

// proven says whether a router was heard with a good trailer not long ago: what else
// comes in its name is somebody else's, or a copy.
func (in *instance) proven(now time.Time, from netip.Addr) bool {
	at := in.heardOf[from].SignedAt
	return !at.IsZero() && now.Sub(at) <= in.downInterval()
}

// peers are the routers that were heard, by address.
func (in *instance) peers() (all []vrrp.PeerStatus) {
	for _, p := range in.heardOf {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b vrrp.PeerStatus) int { return a.Address.Compare(b.Address) })
	return all
}

// hmacDiffers is differs for what is wrong with a trailer.
func (e *Engine) hmacDiffers(now time.Time, in *instance, msg Incoming, reason vrrp.Discard) string {
	who := msg.Source
	if in.proven(now, who) {
		return "" // counted, and nothing that a configuration could mend
	}
	var t packet.Trailer
	if _, rest, _ := packet.Split(msg.Payload, msg.Destination.Is6()); rest != nil {
		t, _ = packet.ReadTrailer(rest)
	}
	switch reason {
	case vrrp.DiscardHMACMissing:
		return fmt.Sprintf("%v does not sign, this router enforces it: set mode = \"permissive\" here until every router signs", who)
	case vrrp.DiscardHMACMalformed:
		return fmt.Sprintf("%v signs in a form that is not known here", who)
	case vrrp.DiscardHMACStale:
		ahead := t.Sequence().Ahead(e.clock(now))
		return fmt.Sprintf("the clock of %v is %+d s from this router's, more than the window of %d s: set both by NTP, or give both anti_replay = \"monotonic\"",
			who, int(ahead.Seconds()), int(in.cfg.HMAC.Window.Seconds()))
	case vrrp.DiscardHMACUnknownKey:
		return fmt.Sprintf("%v signs with key %d, which this router does not have: add it to authentication", who, t.KeyID())
	case vrrp.DiscardHMACBad:
		return fmt.Sprintf("%v signs with another secret for key %d, its address is translated on the way, it is keepalived before 2.4.2, or it is not what it says", who, t.KeyID())
	case vrrp.DiscardHMACReplay:
		return fmt.Sprintf("%v sends what is not newer than before: its clock was set back, or somebody sends its advertisements again", who)
	}
	return ""
}
