package vrrp

import (
	"slices"
	"time"
)

// Step gives the machine after an event and what is to be done, in order.
func (m Machine) Step(in Input) (Machine, []Action) {
	var acts []Action
	switch in.Kind {
	case StepStart:
		acts = m.start(in.At)
	case StepResume:
		acts = m.resume(in.At, in.Interval)
	case StepStop:
		acts = m.rest(Initialize)
	case StepFault:
		acts = m.rest(Fault)
	case StepPriority:
		acts = m.reprioritise(in.Priority)
	case StepParameters:
		acts = m.rewrite(in)
	default:
		switch m.state {
		case Backup:
			acts = m.stepBackup(in)
		case Active:
			acts = m.stepActive(in)
		}
	}
	return m, acts
}

// start is RFC 9568 section 6.4.1.
func (m *Machine) start(at time.Duration) []Action {
	if m.state == Backup || m.state == Active {
		return nil
	}
	m.interval = m.par.Interval
	if !m.begun && m.par.StartupDelay > 0 {
		m.notUntil = at + m.par.StartupDelay
	}
	m.begun = true
	if m.priority == OwnerPriority && at >= m.notUntil {
		return m.activate(at)
	}
	return m.listen(at)
}

// resume is start where this router was Active until its process died, some time ago,
// and has resigned. That is a priority 0 advert of the active router, after which a
// Backup waits for Skew_Time (RFC 9568 section 6.4.2). A router that goes behind this one
// waits for longer, so that its first advert will be heard. When Skew_Time has passed
// before this router hears anything, a successor may have sent its first advert unheard,
// and the next one is an interval later. There is no startup_delay: the router had
// started long before.
func (m *Machine) resume(at, ago time.Duration) []Action {
	if m.state == Backup || m.state == Active {
		return nil
	}
	if m.state == Initialize {
		m.interval = m.par.Interval
		if m.priority == OwnerPriority {
			return m.activate(at)
		}
	}
	acts := m.start(at)
	if m.state != Backup {
		return acts
	}
	m.notUntil = 0
	wait := m.Skew()
	if ago > wait {
		wait += m.interval
	}
	acts[0] = m.arm(at + wait)
	return acts
}

// stepBackup is RFC 9568 section 6.4.2.
func (m *Machine) stepBackup(in Input) []Action {
	switch in.Kind {
	case StepExpired:
		if in.At < m.notUntil {
			return []Action{m.arm(m.notUntil)}
		}
		return m.activate(in.At)
	case StepAdvert:
		return m.hearBackup(in)
	case StepWithhold, StepStalled:
		// A whole interval of listening: an active router that lives will be heard in it.
		return []Action{m.arm(in.At + m.DownInterval())}
	case StepHesitate:
		return []Action{m.arm(in.At + in.Interval)}
	case StepHandover:
		m.yielded = true
	case StepRetire:
		return m.rest(Initialize)
	}
	return nil
}

func (m *Machine) hearBackup(in Input) []Action {
	if in.Priority == 0 {
		// The silence that follows is announced, it is no sign of a cut.
		m.heard = false
		return []Action{m.arm(in.At + m.Skew())}
	}
	if m.preempts() && in.Priority < m.priority {
		if m.par.PreemptDelay == 0 {
			m.heard = false
			return nil
		}
		if !m.waiting {
			m.waiting, m.preemptAt = true, in.At+m.par.PreemptDelay
		}
		if in.At >= m.preemptAt {
			m.heard = false
			return nil
		}
	} else {
		m.waiting, m.preemptAt = false, 0
	}
	m.heard = true
	m.interval = in.Interval
	return []Action{m.arm(in.At + m.DownInterval())}
}

// stepActive is RFC 9568 section 6.4.3.
func (m *Machine) stepActive(in Input) []Action {
	switch in.Kind {
	case StepExpired:
		if m.leaving != staying {
			return m.unsucceeded(in.At)
		}
		m.spend(in.At)
		return []Action{{Kind: ActSend}, m.arm(m.next(in.At))}
	case StepAdvert:
		return m.hearActive(in)
	case StepYield:
		return m.yield(in.At)
	case StepStalled:
		// Others are active by now, as far as anybody can know: no word from here, it would be late.
		if m.leaving == toInit {
			return m.quit()
		}
		m.yielded = m.leaving == toBackup
		return slices.Concat([]Action{{Kind: ActDrop}}, m.listen(in.At))
	case StepConcede:
		return m.leave(in.At, toOthers)
	case StepHandover:
		return m.leave(in.At, toBackup)
	case StepRetire:
		return m.leave(in.At, toInit)
	case StepStay:
		return m.stay(in.At)
	}
	return nil
}

// stay takes a handover back that nobody has answered yet. Where others of the sync
// group have left it goes on, but not into maintenance.
func (m *Machine) stay(at time.Duration) []Action {
	switch {
	case m.leaving == staying:
		return nil
	case m.bound:
		m.leaving = toOthers
		return nil
	}
	m.leaving = staying
	return []Action{{Kind: ActSend}, m.arm(at + m.interval)}
}

// yield gives way without having been outranked, since a sync group is all Active
// or not at all. A machine that is leaving has resigned already: its successor is
// due, and if none is heard within an interval there is none.
func (m *Machine) yield(at time.Duration) []Action {
	if m.leaving == staying {
		return m.abandon(at)
	}
	if m.bound {
		return nil
	}
	m.bound = true
	return []Action{m.arm(min(m.timer, at+m.interval))}
}

// abandon resigns and drops the addresses, whoever may take them.
func (m *Machine) abandon(at time.Duration) []Action {
	return slices.Concat([]Action{{Kind: ActResign}, {Kind: ActDrop}}, m.listen(at))
}

// next is the deadline of the next advert: one interval after the last deadline,
// not after the last step, unless steps have been late by a whole interval. The peers
// may not have heard yet that the interval was raised: see rewrite.
func (m *Machine) next(now time.Duration) time.Duration {
	interval := m.interval
	if now < m.paceUntil {
		interval = min(interval, m.pace)
	}
	if at := m.timer + interval; at > now {
		return at
	}
	return now + interval
}

func (m *Machine) hearActive(in Input) []Action {
	switch {
	case m.leaving != staying && in.Priority > 0:
		return m.succeeded(in)
	case m.leaving != staying:
		return nil
	case in.Priority == 0:
		// A contest ends: caches that learned the loser must learn this router.
		return m.assert(in.At)
	case !m.outranks(in):
		return m.assert(in.At)
	}
	var acts []Action
	if m.seized {
		// This router took over from one that had fallen silent: the network was cut
		// and has come back. The winner may not know. To hear a resignation makes it
		// advertise and announce again.
		acts = append(acts, Action{Kind: ActResign})
	}
	acts = append(acts, Action{Kind: ActDrop})
	m.interval = in.Interval
	acts = slices.Concat(acts, m.listen(in.At))
	m.heard = true
	return acts
}

// leave resigns but holds the addresses until a successor is heard, so that no
// packet meets a network without them.
func (m *Machine) leave(at time.Duration, to leaving) []Action {
	already := m.leaving != staying
	m.leaving = max(m.leaving, to)
	if already {
		return nil
	}
	// The lowest priority has the longest Active_Down_Interval: just under one
	// interval more than DownAdverts of them. The resignation may have been lost.
	wait := time.Duration(m.par.DownAdverts+2) * m.interval
	return []Action{{Kind: ActResign}, m.arm(at + wait)}
}

// succeeded ends a handover: the successor speaks.
func (m *Machine) succeeded(in Input) []Action {
	if m.leaving == toInit {
		return m.quit()
	}
	m.interval, m.yielded = in.Interval, m.leaving == toBackup
	acts := slices.Concat([]Action{{Kind: ActDrop}}, m.listen(in.At))
	m.heard = true
	return acts
}

// quit ends a leave to Initialize when others are active: without a word.
func (m *Machine) quit() []Action {
	m.state, m.leaving = Backup, staying // nothing to resign from any more
	acts := m.rest(Initialize)
	acts[len(acts)-1].From = Active
	return slices.Concat([]Action{{Kind: ActDrop}}, acts)
}

// unsucceeded ends a handover to which nobody answered: a handover is taken back
// unless others of the sync group have left, maintenance goes ahead.
func (m *Machine) unsucceeded(at time.Duration) []Action {
	if m.leaving == toInit {
		return m.rest(Initialize)
	}
	if m.bound {
		m.yielded = m.leaving == toBackup
		return m.abandon(at)
	}
	m.leaving = staying
	return []Action{{Kind: ActSend}, m.arm(at + m.interval)}
}

// reprioritise moves a running down timer by the difference of the skews, so
// that routers expire in the order of their new priorities.
func (m *Machine) reprioritise(p uint8) []Action {
	before := m.Skew()
	m.priority = p
	if m.state != Backup || m.Skew() == before {
		return nil
	}
	return []Action{m.arm(m.timer + m.Skew() - before)}
}

// rewrite takes a changed configuration over without a change of state.
func (m *Machine) rewrite(in Input) []Action {
	old, down := m.par, m.DownInterval()
	m.par = in.Parameters
	if m.notUntil > in.At {
		m.notUntil += in.Parameters.StartupDelay - old.StartupDelay
	}
	if m.waiting {
		m.preemptAt += in.Parameters.PreemptDelay - old.PreemptDelay
	}
	if m.state == Backup {
		// The interval of an active router that is heard is its own affair (RFC 9568
		// section 6.1, Active_Adver_Interval): it speaks no faster because this one would.
		if !m.heard {
			m.interval = in.Parameters.Interval
		}
		switch {
		case m.DownInterval() == down:
			return nil
		case !m.heard:
			return []Action{m.arm(in.At + m.DownInterval())}
		}
		return []Action{m.arm(m.timer + m.DownInterval() - down)}
	}
	m.interval = in.Parameters.Interval
	if m.state != Active || m.leaving != staying || old.Interval == m.interval {
		return nil
	}
	// A peer waits by the interval that it heard last. Until it must have heard the
	// new one, though adverts are lost, they come as often as it expects them.
	m.paceUntil = 0
	if m.interval > old.Interval {
		m.pace, m.paceUntil = old.Interval, in.At+time.Duration(old.DownAdverts+1)*old.Interval
	}
	return []Action{{Kind: ActSend}, m.arm(in.At + min(m.interval, old.Interval))}
}
