package announce

import "time"

// Phase is where a prefix is on its way up or down.
type Phase string

// The phases, in the order of a prefix' life.
const (
	Down      Phase = "down"      // nothing is held, the table may go
	Binding   Phase = "binding"   // everything is there but the address on lo
	Waiting   Phase = "waiting"   // the address is there; up_delay runs
	Announced Phase = "announced" // routers have the prefix
	Draining  Phase = "draining"  // announced with GRACEFUL_SHUTDOWN, until drain_timeout is over
	Lingering Phase = "lingering" // withdrawn; what still comes is forwarded
	Unbinding Phase = "unbinding" // the address is to leave lo
)

// Parameters are the times that a machine goes by. None is negative.
type Parameters struct {
	UpDelay      time.Duration // how long everything has to be well before an announcement
	DrainTimeout time.Duration // how long a planned withdrawal is foretold; 0: not at all
	Linger       time.Duration // how long a withdrawn prefix goes on being forwarded
}

// Conditions are all that a decision is made from. The zero value is the safe one: nothing
// is announced.
type Conditions struct {
	Speaker  bool // the BGP speaker runs
	Sessions int  // peers whose session is established
	Table    bool // the kernel has the IPVS services of the virtual servers
	Probed   bool // each of their checked servers has had its first verdict; counts on the way up alone
	Quorum   bool // as many of the virtual servers serve as are required
	Instance bool // the VRRP instance that it goes with is active, or none is named
	Healthy  bool // no tracked interface is down
	Bound    bool // the address is on lo

	Maintenance bool // of this director
	Withdrawn   bool // by an operator
	Stopping    bool // the daemon ends
	Removed     bool // the configuration has the prefix no more
}

// Input is what a machine is told: how everything stands by now. Time passing is an input
// with what was there before.
type Input struct {
	Conditions Conditions
	Parameters Parameters
}

// ActionKind is what a machine wants done.
type ActionKind uint8

// Everything that a machine can want.
const (
	ActBind     ActionKind = iota + 1 // put the address on lo, and tell by Conditions.Bound
	ActUnbind                         // take it off, and tell likewise
	ActAnnounce                       // have routers send traffic
	ActDrain                          // announce with GRACEFUL_SHUTDOWN and a worse MED
	ActWithdraw                       // take the announcement back
	ActNotify                         // phase or reason have changed
)

// Action is one thing to do.
type Action struct {
	Kind     ActionKind
	From, To Phase  // ActNotify
	Reason   Reason // ActNotify: why it is as it is now
}

// Machine decides for one prefix. It is a comparable value that reads no clock; Step is its
// only way to change. now is a monotonic time since any fixed start.
type Machine struct {
	par    Parameters
	phase  Phase
	reason Reason

	since     time.Duration // when the wait of the phase began: up_delay, drain_timeout
	withdrawn time.Duration // when the prefix was last withdrawn
	lingers   bool          // withdrawn counts: the linger time has not been seen to be over
}

// NewMachine gives a machine that holds nothing.
func NewMachine(p Parameters) Machine { return Machine{par: p, phase: Down} }

// Phase is the present phase.
func (m Machine) Phase() Phase { return m.phase }

// Reason is why the phase is what it is.
func (m Machine) Reason() Reason { return m.reason }

// Announces says whether routers have the prefix, and whether they are asked to prefer others.
func (m Machine) Announces() (announced, draining bool) {
	return m.phase == Announced || m.phase == Draining, m.phase == Draining
}

// Holds says whether the IPVS table of the prefix has to stay: connections come still, or
// may come at any moment.
func (m Machine) Holds() bool { return m.phase != Down }

// Next is when Step has to be called though nothing has changed; ok is false for never.
func (m Machine) Next() (at time.Duration, ok bool) {
	switch m.phase {
	case Waiting:
		return m.since + m.par.UpDelay, true
	case Draining:
		return m.since + m.par.DrainTimeout, true
	case Lingering:
		return m.lingerEnd(), true
	}
	return 0, false
}

func (m Machine) lingerEnd() time.Duration { return m.withdrawn + m.par.Linger }

// Step gives the machine after an input and what is to be done, in order.
func (m Machine) Step(in Input, now time.Duration) (Machine, []Action) {
	m.par = in.Parameters
	if m.lingers && now >= m.lingerEnd() {
		m.lingers = false
	}
	var actions []Action
	for {
		next, action := m.move(in.Conditions, now)
		if next == m {
			return m, actions
		}
		if action != 0 {
			actions = append(actions, Action{Kind: action})
		}
		if next.phase != m.phase || next.reason != m.reason {
			actions = append(actions, Action{Kind: ActNotify, From: m.phase, To: next.phase, Reason: next.reason})
		}
		m = next
	}
}

// move makes one transition, or none. A reason that is a failure goes before one that was
// planned: what cannot be served is withdrawn at once.
func (m Machine) move(c Conditions, now time.Duration) (Machine, ActionKind) {
	why := c.failure()
	failed := why != ReasonNone
	if !failed {
		why = c.planned()
	}
	if why == ReasonNone && !c.Probed && m.begins() {
		why = ReasonProbes
	}
	wanted := why == ReasonNone
	switch m.phase {
	case Down:
		if wanted {
			return m.enter(Binding, ReasonAddress, now), ActBind
		}
	case Binding:
		switch {
		case !wanted:
			return m.leave(why, now)
		case c.Bound:
			return m.enter(Waiting, ReasonUpDelay, now), 0
		}
	case Waiting:
		switch {
		case !wanted:
			return m.leave(why, now)
		case !c.Bound:
			return m.enter(Binding, ReasonAddress, now), ActBind
		case now >= m.since+m.par.UpDelay:
			return m.enter(Announced, ReasonReady, now), ActAnnounce
		}
	case Announced:
		return m.announced(c, why, failed, now)
	case Draining:
		return m.draining(c, why, failed, now)
	case Lingering:
		switch {
		case wanted && c.Bound:
			return m.enter(Waiting, ReasonUpDelay, now), 0
		case wanted:
			return m.enter(Binding, ReasonAddress, now), ActBind
		case now >= m.lingerEnd():
			return m.enter(Unbinding, why, now), ActUnbind
		}
	case Unbinding:
		switch {
		case wanted:
			return m.enter(Binding, ReasonAddress, now), ActBind
		case !c.Bound:
			return m.enter(Down, why, now), 0
		}
	}
	if !wanted {
		m.reason = why // it stays where it is, and another thing is in the way by now
	}
	return m, 0
}

func (m Machine) announced(c Conditions, why Reason, failed bool, now time.Duration) (Machine, ActionKind) {
	switch {
	case failed:
		return m.withdraw(why, now)
	case !c.Bound:
		return m.withdraw(ReasonAddress, now)
	case why == ReasonNone:
		return m, 0
	case m.par.DrainTimeout == 0 || c.Sessions == 0: // nobody is there to be asked
		return m.withdraw(why, now)
	}
	return m.enter(Draining, why, now), ActDrain
}

func (m Machine) draining(c Conditions, why Reason, failed bool, now time.Duration) (Machine, ActionKind) {
	switch {
	case failed:
		return m.withdraw(why, now)
	case !c.Bound:
		return m.withdraw(ReasonAddress, now)
	case why == ReasonNone: // routers had it all the time: there is nothing to wait for
		return m.enter(Announced, ReasonReady, now), ActAnnounce
	case now >= m.since+m.par.DrainTimeout || c.Sessions == 0:
		return m.withdraw(why, now)
	}
	m.reason = why
	return m, 0
}

// begins says whether the way up would begin anew. First verdicts are awaited there alone:
// a server that a reload adds later is no reason to withdraw, nor to wait once more.
func (m Machine) begins() bool {
	return m.phase == Down || m.phase == Lingering || m.phase == Unbinding
}

// enter goes to a phase whose wait begins now.
func (m Machine) enter(p Phase, why Reason, now time.Duration) Machine {
	m.phase, m.reason, m.since = p, why, now
	return m
}

// withdraw takes an announcement back; from now on the prefix lingers.
func (m Machine) withdraw(why Reason, now time.Duration) (Machine, ActionKind) {
	m = m.enter(Lingering, why, now)
	m.withdrawn, m.lingers = now, true
	return m, ActWithdraw
}

// leave gives up a way up. An earlier announcement may still linger.
func (m Machine) leave(why Reason, now time.Duration) (Machine, ActionKind) {
	if m.lingers {
		return m.enter(Lingering, why, now), 0
	}
	return m.enter(Unbinding, why, now), ActUnbind
}
