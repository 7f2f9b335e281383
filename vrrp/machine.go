package vrrp

import (
	"net/netip"
	"slices"
	"time"
)

// Machine is one virtual router's state machine (RFC 9568 section 6.4), a
// comparable value. Step is its only way to change. It reads no clock: events say
// when they happened, as a monotonic time since any fixed start.
//
// It runs one timer (Adver_Timer while Active, Active_Down_Timer while Backup),
// which is an absolute deadline, so that a late step does not push later ones back.
type Machine struct {
	par   Parameters
	state State

	priority uint8         // the effective one, advertised
	interval time.Duration // Active_Adver_Interval (RFC 9568 section 6.1): the active router's, ours while Active

	timer    time.Duration
	armed    bool
	begun    bool          // has taken part since it was made, or stopped
	notUntil time.Duration // startup_delay: no takeover before

	preemptAt time.Duration // preempt_delay: an inferior active router is obeyed until then
	waiting   bool          // preemptAt counts

	spent time.Duration // until when the adverts sent so far use up what may be sent: see assert

	pace      time.Duration // while Active with an interval that was raised, until paceUntil: the one before
	paceUntil time.Duration

	heard   bool // an active router has been heard since this one became Backup
	seized  bool // became Active since a router that had been heard fell silent
	yielded bool // handed over on demand: does not preempt until it was Active again
	leaving leaving
	bound   bool // leaving for good, as others of the sync group have left
}

// leaving says that an Active machine has resigned and holds the addresses only
// until its successor speaks.
type leaving uint8

const (
	staying  leaving = iota
	toOthers         // its sync group is another router's: as a handover, but it may preempt again
	toBackup         // a handover
	toInit           // maintenance
)

// Parameters are those of RFC 9568 section 6.1 that a machine goes by, and
// the delays that usher adds.
type Parameters struct {
	Version      uint8
	Priority     uint8         // as configured; OwnerPriority makes the owner
	Interval     time.Duration // Advertisement_Interval
	DownAdverts  int           // intervals of silence in Active_Down_Interval, 3 in the RFC
	Preempt      bool          // Preempt_Mode
	PreemptDelay time.Duration // how long an inferior active router is obeyed before it is preempted
	StartupDelay time.Duration // no takeover that soon after start
}

// Parameters gives what of a configuration the machine goes by.
func (c Config) Parameters() Parameters {
	return Parameters{
		Version: c.Version, Priority: c.Priority, Interval: c.Interval, DownAdverts: c.DownAdverts,
		Preempt: c.Preempt, PreemptDelay: c.PreemptDelay, StartupDelay: c.StartupDelay,
	}
}

// NewMachine gives a machine in Initialize.
func NewMachine(p Parameters) Machine {
	return Machine{par: p, priority: p.Priority, interval: p.Interval}
}

// State is the present state.
func (m Machine) State() State { return m.state }

// Priority is the effective priority, which adverts carry.
func (m Machine) Priority() uint8 { return m.priority }

// Timer is when Expired is due; ok is false where no timer runs.
func (m Machine) Timer() (at time.Duration, ok bool) { return m.timer, m.armed }

// Leaving says that the machine is Active only until its successor is heard.
func (m Machine) Leaving() bool { return m.leaving != staying }

// Yielded says that the machine handed over on demand: it does not preempt until it
// was active again.
func (m Machine) Yielded() bool { return m.yielded }

// Seized says that the machine became Active because a router that it had heard
// fell silent, which a cut network looks like.
func (m Machine) Seized() bool { return m.seized }

// AdvertInterval is Active_Adver_Interval: the interval of the active router.
func (m Machine) AdvertInterval() time.Duration { return m.interval }

// Skew is Skew_Time (RFC 9568 section 6.1). Version 2 counts it in seconds,
// whatever the interval (RFC 3768 section 6.1).
func (m Machine) Skew() time.Duration {
	unit := m.interval
	if m.par.Version == 2 {
		unit = time.Second
	}
	return time.Duration(256-int(m.priority)) * unit / 256
}

// LongestSkew is the Skew_Time of a router of the lowest priority, less than an advert
// interval: any peer that hears this router resign has taken over after it.
func (c Config) LongestSkew() time.Duration {
	m := NewMachine(c.Parameters())
	m.priority = 1
	return m.Skew()
}

// DownInterval is Active_Down_Interval (RFC 9568 section 6.1).
func (m Machine) DownInterval() time.Duration {
	return time.Duration(m.par.DownAdverts)*m.interval + m.Skew()
}

// Effective gives the effective priority of a router: the sum of its configured
// priority and all adjustments, within 1..254 (0 and 255 have a meaning of their
// own, RFC 9568 section 5.2.4). The owner's is never altered.
func Effective(priority uint8, adjustments []Adjustment) uint8 {
	if priority == OwnerPriority {
		return priority
	}
	sum := int(priority)
	for _, a := range adjustments {
		sum += a.Weight
	}
	return uint8(min(max(sum, 1), OwnerPriority-1))
}

// StepKind is what a machine can be told.
type StepKind uint8

// Everything that a machine can be told.
const (
	StepStart      StepKind = iota + 1 // nothing is in the way: take part (RFC 9568's Startup)
	StepStop                           // RFC 9568's Shutdown
	StepFault                          // something is wrong: give up at once and hold still
	StepExpired                        // the timer fired
	StepAdvert                         // a valid advertisement was received
	StepPriority                       // the effective priority is now Priority
	StepParameters                     // the configuration is now Parameters
	StepYield                          // give way: a member of the sync group had to
	StepHandover                       // hand over to the peer, addresses last
	StepRetire                         // the same, then hold still: maintenance
	StepConcede                        // hand over a member of a sync group that another router leads
	StepStay                           // take a handover, or the way into maintenance, back
	StepStalled                        // the process slept past its deadline by so much that others have taken over
	StepWithhold                       // the timer fired but a takeover must not be: keep listening
	StepHesitate                       // the timer fired late: a Backup listens for Interval more
	StepResume                         // StepStart of a router that was Active and resigned Interval ago, when its process died
)

// Input is one event with its data.
type Input struct {
	Kind       StepKind
	At         time.Duration // when, on the monotonic clock
	Priority   uint8         // StepAdvert: the sender's; StepPriority: the new one
	Interval   time.Duration // StepAdvert: Max Advertise Interval; StepHesitate: for how long; StepResume: how long ago
	From       netip.Addr    // StepAdvert: the sender
	Local      netip.Addr    // StepAdvert: this router's own source address of that family; invalid where addresses must not decide a tie
	Parameters Parameters    // StepParameters
}

// ActionKind is what a machine wants done.
type ActionKind uint8

// Everything that a machine can want, in the order in which Step gives it.
const (
	ActSend     ActionKind = iota + 1 // an advertisement with the effective priority
	ActResign                         // an advertisement with priority 0
	ActHold                           // hold the addresses, then announce them
	ActDrop                           // drop the addresses
	ActAnnounce                       // announce the addresses once more: somebody contested them
	ActArm                            // the timer runs until At
	ActDisarm                         // no timer runs
	ActNotify                         // the state has changed from From to To
)

// Action is one thing to do.
type Action struct {
	Kind     ActionKind
	At       time.Duration // ActArm
	From, To State         // ActNotify
}

// outranks says whether a sender goes before this router: by priority, then by
// address (RFC 9568 section 6.4.3).
func (m Machine) outranks(in Input) bool {
	if in.Priority != m.priority {
		return in.Priority > m.priority
	}
	return in.Local.IsValid() && in.From.Compare(in.Local) > 0
}

// preempts says whether Preempt_Mode holds. The owner always preempts
// (RFC 9568 section 6.1).
func (m Machine) preempts() bool {
	return (m.par.Preempt || m.par.Priority == OwnerPriority) && !m.yielded
}

// Contests says whether an advert of that priority, heard while Active, is
// another active router's.
func (m Machine) Contests(priority uint8) bool {
	return m.state == Active && m.leaving == staying && priority > 0
}

func (m *Machine) arm(at time.Duration) Action {
	m.timer, m.armed = at, true
	return Action{Kind: ActArm, At: at}
}

func (m *Machine) disarm() Action {
	m.timer, m.armed = 0, false
	return Action{Kind: ActDisarm}
}

func (m *Machine) enter(s State) Action {
	from := m.state
	m.state = s
	return Action{Kind: ActNotify, From: from, To: s}
}

// activate is the transition to Active: advertise first, then the addresses.
func (m *Machine) activate(at time.Duration) []Action {
	m.seized = m.state == Backup && m.heard
	m.yielded, m.waiting, m.heard, m.preemptAt, m.paceUntil = false, false, false, 0, 0
	m.interval = m.par.Interval
	m.spend(at)
	return []Action{{Kind: ActSend}, {Kind: ActHold}, m.arm(at + m.interval), m.enter(Active)}
}

// assertions is how many adverts in a row, and how many in each interval, an active
// router sends to assert itself.
const assertions = 3

// spend counts an advert that is sent at a time. Each one uses up a share of an
// interval.
func (m *Machine) spend(at time.Duration) {
	m.spent = max(m.spent, at) + m.interval/assertions
}

// assert answers another active router, which this one goes before: with an advert
// at once, as RFC 9568 section 6.4.3 has it. Two routers that never agree (by
// addresses that are translated on the way, or by malice) would answer each other
// without end: when as many adverts as that have gone out of late, the answer waits
// for its share of an interval, which is less than the next advert would take. A
// router that hears it and gives way, as an honest one does, does so at the first.
func (m *Machine) assert(at time.Duration) []Action {
	free := m.spent - (assertions-1)*(m.interval/assertions)
	if at >= free {
		m.spend(at)
		return []Action{{Kind: ActSend}, {Kind: ActAnnounce}, m.arm(at + m.interval)}
	}
	return []Action{{Kind: ActAnnounce}, m.arm(min(m.timer, free))}
}

// listen is the transition to Backup, with the timer at its full length.
func (m *Machine) listen(at time.Duration) []Action {
	m.heard, m.seized, m.waiting, m.leaving, m.bound = false, false, false, staying, false
	m.preemptAt, m.spent, m.paceUntil = 0, 0, 0
	acts := []Action{m.arm(at + m.DownInterval())}
	if m.state != Backup {
		acts = append(acts, m.enter(Backup))
	}
	return acts
}

// rest is the transition to a state in which nothing is done. An Active router
// resigns first, so that its peers need not wait (RFC 9568 section 6.4.3).
func (m *Machine) rest(s State) []Action {
	if m.state == s {
		return nil
	}
	var acts []Action
	if m.state == Active {
		acts = append(acts, Action{Kind: ActResign}, Action{Kind: ActDrop})
	}
	rested := Machine{par: m.par, state: m.state, priority: m.priority, interval: m.par.Interval}
	if s == Fault { // startup_delay goes on
		rested.begun, rested.notUntil = m.begun, m.notUntil
	}
	*m = rested
	return slices.Concat(acts, []Action{m.disarm(), m.enter(s)})
}
