package engine

import (
	"crypto/subtle"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"usher/vrrp"
	"usher/vrrp/packet"
	"usher/vrrp/timespan"
)

// Receive takes one VRRP message in. It makes the checks of RFC 9568 section 7.1
// (RFC 3768 section 7.1 for version 2). A message that fails one is counted by its
// reason and changes nothing else.
func (e *Engine) Receive(now time.Time, msg Incoming) {
	if e.closed {
		return
	}
	in, f, reason := e.addressee(msg)
	if in == nil || reason == vrrp.DiscardVRID {
		e.claimed(now, msg)
	}
	if in == nil {
		return // nothing of ours runs on that interface
	}
	var a packet.Advert
	var form packet.Form
	var p proof
	if reason == vrrp.DiscardNone {
		a, form, p, reason = e.check(now, in, f, msg)
	}
	if reason == vrrp.DiscardHMACMissing {
		e.hear(now, in, msg.Source, p)
	}
	if reason != vrrp.DiscardNone {
		e.discard(now, in, msg, reason)
		e.disagree(now, in, msg, a, reason)
		return
	}
	e.authenticated(now, in, msg.Source, p)
	e.accept(now, in, f, msg, a, form)
}

// addressee finds the instance that a message is for. Where none has its VRID, the
// error is laid on the first instance of that interface and family, so
// that it is counted once.
func (e *Engine) addressee(msg Incoming) (*instance, *family, vrrp.Discard) {
	v6 := msg.Destination.Is6()
	var first, same *instance
	for _, in := range e.instances {
		f := in.family(v6)
		if f == nil || msg.Index == 0 || (f.device.Index != msg.Index && f.macvlan.Index != msg.Index) {
			continue
		}
		if len(f.peers) > 0 && msg.Destination.IsMulticast() {
			// Heard for this alone: what others send there is no error of theirs.
			if same == nil && len(msg.Payload) > 1 && in.cfg.VRID == msg.Payload[1] && in.astray(f, msg) {
				same = in
			}
			continue
		}
		if first == nil {
			first = in
		}
		if len(msg.Payload) < 2 || in.cfg.VRID != msg.Payload[1] {
			continue
		}
		if f.expects(msg) {
			return in, f, vrrp.DiscardNone
		}
		if same == nil && !msg.Destination.IsMulticast() {
			same = in
		}
	}
	switch {
	case same != nil:
		return same, nil, vrrp.DiscardUnknownPeer
	case first != nil && len(msg.Payload) < 2:
		return first, nil, vrrp.DiscardLength
	}
	return first, nil, vrrp.DiscardVRID
}

func (in *instance) family(v6 bool) *family {
	for i := range in.families {
		if in.families[i].v6 == v6 {
			return &in.families[i]
		}
	}
	return nil
}

// expects says whether a message came the way that this router's peers send:
// to its group, or from one of its unicast peers.
func (f *family) expects(msg Incoming) bool {
	if len(f.peers) == 0 {
		return msg.Destination == f.group
	}
	return !msg.Destination.IsMulticast() && f.peer(msg.Source) != nil
}

func (f *family) peer(source netip.Addr) *vrrp.Peer {
	for i := range f.peers {
		if f.peers[i].Address == source {
			return &f.peers[i]
		}
	}
	return nil
}

// check makes the receipt checks on a message that is for this instance.
func (e *Engine) check(now time.Time, in *instance, f *family, msg Incoming) (a packet.Advert, form packet.Form, shown proof, reason vrrp.Discard) {
	if p := f.peer(msg.Source); p != nil {
		if msg.TTL < p.MinTTL || (p.MaxTTL != 0 && msg.TTL > p.MaxTTL) {
			return a, 0, shown, vrrp.DiscardPeerTTL
		}
	} else if msg.TTL != multicastTTL {
		return a, 0, shown, vrrp.DiscardTTL
	}
	if msg.Source == f.source {
		return a, 0, shown, vrrp.DiscardOwnSource
	}
	if len(msg.Payload) > 0 && msg.Payload[0]>>4 != in.cfg.Version {
		return a, 0, shown, vrrp.DiscardVersion
	}
	if shown, reason = e.prove(now, in, msg); reason != vrrp.DiscardNone {
		return a, 0, shown, reason
	}
	a, form, reason = packet.Parse(msg.Payload, msg.Source, msg.Destination)
	switch {
	case reason != vrrp.DiscardNone:
	case in.cfg.Version == 2:
		reason = in.checkVersion2(a)
	case len(a.Addresses) == 0 && !in.cfg.NoAddresses:
		reason = vrrp.DiscardLength // RFC 9568 section 7.1, erratum 8299
	}
	return a, form, shown, reason
}

// checkVersion2 makes the checks that version 3 dropped: authentication, equal
// interval (RFC 3768 section 7.1). That section lets a router discard for a differing
// address list as well, unless the owner sends; see compare for why this one does not.
func (in *instance) checkVersion2(a packet.Advert) vrrp.Discard {
	password := packet.Password(in.cfg.Password)
	switch {
	case a.Text != (in.cfg.Password != ""):
		return vrrp.DiscardAuthMismatch
	case a.Text && subtle.ConstantTimeCompare(a.Password[:], password[:]) != 1:
		return vrrp.DiscardAuthFailure
	case a.Interval != in.cfg.Interval:
		return vrrp.DiscardInterval
	}
	return vrrp.DiscardNone
}

func sameAddresses(a, b []netip.Addr) bool {
	if len(a) != len(b) {
		return false
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, netip.Addr.Compare)
	slices.SortFunc(b, netip.Addr.Compare)
	return slices.Equal(a, b)
}

// discard counts a message that failed a check.
func (e *Engine) discard(now time.Time, in *instance, msg Incoming, reason vrrp.Discard) {
	in.stats.Discarded[reason]++
	in.stats.LastDiscard = &vrrp.DiscardRecord{Reason: reason, From: msg.Source, At: now}
	// Other people's virtual routers on the same wire are no news.
	if reason != vrrp.DiscardVRID && e.limits.allow(now, limit{in.cfg.Name, msg.Source, string(reason)}) {
		e.ports.Event(vrrp.Event{
			Time: now, Instance: in.cfg.Name, Kind: vrrp.EventDiscard, From: in.m.State(), To: in.m.State(),
			Priority: in.m.Priority(), Peer: msg.Source, Reason: fmt.Sprintf("advertisement discarded: %s", reason),
		})
	}
}

// accept steps the machine with a valid advert.
func (e *Engine) accept(now time.Time, in *instance, f *family, msg Incoming, a packet.Advert, form packet.Form) {
	in.stats.AdvertsReceived++
	if a.Priority == 0 {
		in.stats.PriorityZeroReceived++
	}
	if in.cfg.Checksum == vrrp.ChecksumAuto && form == packet.FormMessage && !f.v6 {
		in.form = packet.FormMessage
	}
	e.compare(now, in, f, msg, a)
	e.listenAfterStall(now, in)

	input := vrrp.Input{Kind: vrrp.StepAdvert, Priority: a.Priority, Interval: a.Interval, From: msg.Source, Local: e.tieBreaker(now, in, f)}
	f.heard = now
	if a.Priority > 0 {
		e.release(now, in, msg.Source.String()+" is heard again")
		in.attended, in.activeInterval = now, a.Interval
	}
	before := in.m
	switch before.State() {
	default: // in maintenance or in fault one listens, too
		in.resigned = a.Priority == 0
		if leads := input.Local.IsValid(); leads || !in.active.IsValid() {
			in.active, in.activePriority = msg.Source, a.Priority
		}
		e.step(now, in, input, "")
		if in.group != nil {
			in.group.outranked(in, input)
			e.unite(now, in.group)
		}
	case vrrp.Active:
		if before.Leaving() && a.Priority > 0 && !in.succeeds(f, msg.Source, a) {
			e.contested(now, in, input)
			return
		}
		e.hearActive(now, in, input)
	}
}

// hearActive deals with an advert that comes while this router is active.
func (e *Engine) hearActive(now time.Time, in *instance, input vrrp.Input) {
	next, _ := in.m.Step(input)
	if next.State() == vrrp.Active {
		if in.m.Contests(input.Priority) || in.outlasted(now, input) {
			e.contested(now, in, input)
		}
		e.step(now, in, input, "")
		return
	}
	reason := fmt.Sprintf("%v is active with priority %d", input.From, input.Priority)
	if in.m.Leaving() {
		reason = fmt.Sprintf("handed over to %v", input.From)
	} else if input.Priority == in.m.Priority() {
		// A higher priority preempts, as after a restart of its router: nothing is split.
		// An equal one does not, it has been active without hearing this one.
		e.contested(now, in, input)
	}
	in.active, in.activePriority, in.resigned = input.From, input.Priority, false
	if in.group != nil && !in.m.Leaving() {
		in.group.rival = rivalry{since: now}
		in.group.outranked(in, input)
	}
	e.step(now, in, input, reason)
}

// listenAfterStall makes an active router that slept through its own adverts
// a backup before it hears who took over meanwhile: it must not assert itself.
func (e *Engine) listenAfterStall(now time.Time, in *instance) {
	t, armed := in.m.Timer()
	if !armed || in.m.State() != vrrp.Active || in.m.Leaving() {
		return
	}
	if late := e.since(now) - t; late > max(succession(in.m), in.m.AdvertInterval()) {
		e.event(now, in, vrrp.EventLate, fmt.Sprintf("the process was stalled: a timer fired %s late", timespan.Text(late)))
		e.step(now, in, vrrp.Input{Kind: vrrp.StepStalled}, "listening after a stall of the process")
	}
}

// tieBreaker is the address that equal priorities are compared by. With both
// families in one state the two comparisons could contradict each other and leave
// no router active: IPv4 decides while it is heard.
func (e *Engine) tieBreaker(now time.Time, in *instance, f *family) netip.Addr {
	if f.v6 && len(in.families) == 2 && !in.families[0].heard.IsZero() && now.Sub(in.families[0].heard) < in.m.DownInterval() {
		return netip.Addr{}
	}
	return f.source
}

// compare counts what a peer has otherwise than this router. Other addresses are no
// reason to discard, in either version (RFC 9568 section 7.1; RFC 3768 says "may"): to do
// so makes two routers active while addresses are being changed on one after the other.
func (e *Engine) compare(now time.Time, in *instance, f *family, msg Incoming, a packet.Advert) {
	if a.Interval != in.cfg.Interval {
		in.stats.IntervalMismatches++
	}
	if !sameAddresses(a.Addresses, f.addresses) && !sameAddresses(a.Addresses, in.carried(f)) {
		in.stats.AddressMismatches++
		if e.limits.allow(now, limit{in.cfg.Name, msg.Source, "addresses"}) {
			e.ports.Event(vrrp.Event{
				Time: now, Instance: in.cfg.Name, Kind: vrrp.EventMismatch, From: in.m.State(), To: in.m.State(),
				Priority: in.m.Priority(), Peer: msg.Source, Reason: fmt.Sprintf("peer advertises %v, not %v", a.Addresses, f.addresses),
			})
		}
	}
}
