package engine

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"usher/vrrp"
	"usher/vrrp/packet"
	"usher/vrrp/timespan"
)

// instance is one virtual router with what surrounds its machine.
type instance struct {
	cfg         vrrp.Config
	m           vrrp.Machine
	group       *group
	families    []family
	adjustments map[string]vrrp.Adjustment
	pending     map[string]bool      // tracks without a result so far
	counted     tally                // what the effective priority was made of
	linkStates  map[string]linkState // of interfaces
	delays      bool                 // a change of one may have to wait
	form        packet.Form

	fault    string // what is in the way, "" for nothing
	reason   string // why it is in its present state
	since    time.Time
	changes  uint64
	stats    vrrp.Stats
	active   netip.Addr // the active router as far as known
	resigned bool       // the last that was heard was a resignation
	attended time.Time  // when some router, this one among them, was last known to be active; or when one began to listen

	resignedAt time.Time // by a process before this one, for which it is to be resumed; zero where it is not

	activePriority uint8                // of the last advert
	activeInterval time.Duration        // likewise
	claim          vrrp.NewActiveReason // for which the machine is made active

	auth    *authentication // of this one and of those of its name before it
	heardOf map[netip.Addr]vrrp.PeerStatus

	disagreements []*disagreement
	unsent        *vrrp.Unsent // nil where the last advert was sent

	split     *contest
	strangers []netip.Addr // active before this router began to leave: no successors
	announced time.Time    // the last announcement after a contest
	echo      bool         // another is owed

	hesitated bool // the down timer ran out late, and was armed for a little more listening
	wants     bool // the down timer ran out; the sync group is not ready
	witnessed bool
	withheld  bool

	buf []byte
}

// family is an instance's virtual router of one address family.
type family struct {
	v6        bool
	addresses []netip.Addr // advertised
	group     netip.Addr   // multicast destination
	peers     []vrrp.Peer  // unicast destinations instead of the group
	to        []netip.Addr // where adverts go: the group, or the peers
	device    Link         // what adverts are sent from and received on; Index 0 where there is none, Anywhere for any
	macvlan   Link         // where a peer's adverts arrive that bear the same virtual MAC; Index 0 where there is none
	source    netip.Addr   // invalid where there is none
	lost      bool         // source is no longer there
	willed    origin       // of the resignation that was given to Options.Will
	heard     time.Time    // the last valid advert of this family
}

func newInstance(cfg vrrp.Config) *instance {
	in := &instance{
		adjustments: map[string]vrrp.Adjustment{}, pending: map[string]bool{}, linkStates: map[string]linkState{},
		counted: tally{base: cfg.Priority}, m: vrrp.NewMachine(cfg.Parameters()), auth: &authentication{},
	}
	in.stats.Discarded = map[vrrp.Discard]uint64{}
	in.form = packet.FormPseudoHeader
	in.cfg.Checksum = cfg.Checksum // so that reconfigure sees no change in it
	if cfg.Checksum == vrrp.ChecksumRFC9568 {
		in.form = packet.FormMessage
	}
	return in
}

// reconfigure brings an instance to its configuration; where nothing in it has
// changed, nothing happens.
func (e *Engine) reconfigure(now time.Time, in *instance, cfg vrrp.Config) {
	old := in.cfg
	in.cfg = cfg
	in.auth.configure(cfg.HMAC)
	if cfg.Checksum != old.Checksum {
		in.form = packet.FormPseudoHeader
		if cfg.Checksum == vrrp.ChecksumRFC9568 {
			in.form = packet.FormMessage
		}
	}
	if in.attended.IsZero() {
		in.attended = now
	}
	families := in.families
	in.families = nil
	for _, v6 := range []bool{false, true} {
		if cfg.Runs(v6) {
			f := family{v6: v6}
			if i := slices.IndexFunc(families, func(f family) bool { return f.v6 == v6 }); i >= 0 {
				f = families[i] // its source is what peers know it by until evaluateAll finds another
			}
			f.configure(cfg)
			in.families = append(in.families, f)
		}
	}
	in.retrack()
	in.keepBeliefs()
	if old.Parameters() != cfg.Parameters() {
		e.step(now, in, vrrp.Input{Kind: vrrp.StepParameters, Parameters: cfg.Parameters()}, "")
	}
}

// step steps an instance's machine and does what it wants done.
func (e *Engine) step(now time.Time, in *instance, input vrrp.Input, reason string) {
	input.At = e.since(now)
	m, actions := in.m.Step(input)
	in.m = m
	for _, a := range actions {
		switch a.Kind {
		case vrrp.ActSend:
			e.send(now, in, m.Priority())
		case vrrp.ActResign:
			e.send(now, in, 0)
		case vrrp.ActHold:
			in.announced, in.echo = now, false
			e.ports.Hold(in.cfg.Name, true)
		case vrrp.ActDrop:
			e.ports.Hold(in.cfg.Name, false)
			e.revoke(in)
		case vrrp.ActAnnounce:
			e.announce(now, in)
		case vrrp.ActArm, vrrp.ActDisarm:
			in.wants, in.hesitated = false, input.Kind == vrrp.StepHesitate
		case vrrp.ActNotify:
			e.transition(now, in, a.From, a.To, reason)
		}
	}
}

// transition records and reports a change of state and carries it to the group.
func (e *Engine) transition(now time.Time, in *instance, from, to vrrp.State, reason string) {
	in.reason, in.since = reason, now
	in.changes++
	in.wants = false
	if to == vrrp.Active {
		in.stats.BecameActive++
		in.stats.NewActiveReason = cmp.Or(in.claim, vrrp.ActivePriority)
		in.active, in.resigned, in.activeInterval = in.ownSource(), false, in.cfg.Interval
	}
	e.ports.Event(vrrp.Event{
		Time: now, Instance: in.cfg.Name, Kind: vrrp.EventState, From: from, To: to,
		Priority: in.m.Priority(), Peer: in.peer(), Reason: reason,
	})
	if from == vrrp.Active {
		in.attended = now
		if in.active == in.ownSource() {
			in.active = netip.Addr{} // nobody is known to be
		}
	}
	if to != vrrp.Active {
		e.endContest(now, in, "this router is no longer active")
	}
	if to != vrrp.Backup && to != vrrp.Active {
		in.active = netip.Addr{}
	}
	e.release(now, in, "this router is "+to.String())
	e.groupMoved(now, in, from, to)
}

// expire deals with a timer that ran out, late by some time.
func (e *Engine) expire(now time.Time, in *instance, late time.Duration) {
	switch {
	case late >= patience(in.m):
		e.event(now, in, vrrp.EventLate, fmt.Sprintf("the process was stalled: a timer fired %s late", timespan.Text(late)))
		e.step(now, in, vrrp.Input{Kind: vrrp.StepStalled}, "listening after a stall of the process")
	case in.m.State() == vrrp.Active:
		e.checkContest(now, in)
		if in.m.Leaving() {
			e.event(now, in, vrrp.EventHandover, "nobody has taken over")
		}
		reason := "others of its sync group have left"
		if e.maintenance {
			reason = "maintenance"
		}
		e.step(now, in, vrrp.Input{Kind: vrrp.StepExpired}, reason)
		if in.echo && now.Sub(in.announced) >= contestPace {
			e.announce(now, in)
		}
	case late > punctual && !in.hesitated && !in.resigned:
		e.step(now, in, vrrp.Input{Kind: vrrp.StepHesitate, Interval: hesitation(in.m, late)}, "")
	case in.cfg.Witness != nil && !in.witnessed && !in.resigned:
		if !in.withheld {
			in.withheld = true
			e.event(now, in, vrrp.EventWitness, "takeover withheld: no witness answers, this router seems cut off")
		}
		e.step(now, in, vrrp.Input{Kind: vrrp.StepWithhold}, "")
	case in.group != nil:
		in.wants = true
		e.groupWants(now, in.group, in)
	default:
		e.takeOver(now, in)
	}
}

func (e *Engine) takeOver(now time.Time, in *instance) {
	reason := "took over: heard no other director for " + timespan.Text(in.m.DownInterval())
	in.claim = vrrp.ActiveNoResponse
	switch {
	case in.resigned:
		in.claim = vrrp.ActivePriority
		reason = fmt.Sprintf("took over: %v resigned", in.active)
	case in.active.IsValid() && in.activePriority < in.m.Priority() && now.Sub(in.heard()) < 2*in.m.AdvertInterval():
		in.claim = vrrp.ActivePreempted
		reason = fmt.Sprintf("took over: preempted %v, which has priority %d", in.active, in.activePriority)
	case in.active.IsValid():
		reason = fmt.Sprintf("took over: heard nothing of %v for %s", in.active, timespan.Text(in.m.DownInterval()))
	}
	e.step(now, in, vrrp.Input{Kind: vrrp.StepExpired}, reason)
	in.claim = ""
}

// heard is when the last valid advert came, of either family.
func (in *instance) heard() (last time.Time) {
	for _, f := range in.families {
		if f.heard.After(last) {
			last = f.heard
		}
	}
	return last
}

// A down timer that fires later than punctual shows that this machine, or its
// processor, stood still. Then what has arrived may wait below the sockets yet, and
// an active router on the same hardware stood still as well and speaks this moment.
const (
	punctual       = time.Millisecond
	leastHesitance = 2 * time.Millisecond
)

// hesitation is how long a backup router whose timer fired late listens before it
// claims anything: as long as it was away, at most the interval in which an active
// router that lives is heard.
func hesitation(m vrrp.Machine, late time.Duration) time.Duration {
	return min(max(late, leastHesitance), m.AdvertInterval())
}

// stallFloor is the least delay that counts as a stall of the process when
// nothing has been heard meanwhile: all received has been looked at, so a shorter one harmed nobody.
const stallFloor = 500 * time.Millisecond

// patience is how late a timer may fire without the machine having to listen
// again before it claims anything.
func patience(m vrrp.Machine) time.Duration { return max(succession(m), stallFloor) }

// succession is how late an advert may be before a backup router can have taken
// over: it waits for Active_Down_Interval from the last one, the first interval of
// which has passed when the timer is due.
func succession(m vrrp.Machine) time.Duration {
	return m.DownInterval() - m.Skew() - m.AdvertInterval()
}

// ownSource is the address that this router is known by: IPv4's where it has one.
func (in *instance) ownSource() netip.Addr {
	for _, f := range in.families {
		if f.source.IsValid() {
			return f.source
		}
	}
	return netip.Addr{}
}

// peer is the active router where that is another one.
func (in *instance) peer() netip.Addr {
	if in.active == in.ownSource() {
		return netip.Addr{}
	}
	return in.active
}

func (e *Engine) event(now time.Time, in *instance, kind vrrp.EventKind, reason string) {
	e.ports.Event(vrrp.Event{
		Time: now, Instance: in.cfg.Name, Kind: kind, From: in.m.State(), To: in.m.State(),
		Priority: in.m.Priority(), Peer: in.peer(), Reason: reason,
	})
}
