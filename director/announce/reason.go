package announce

// Reason is why a prefix is announced, or is not: the value of logs, events, metrics and tests.
type Reason string

// The reasons. Those of a failure have a prefix withdrawn at once, the planned ones after
// drain_timeout.
const (
	ReasonNone Reason = ""

	ReasonReady   Reason = "ready"    // announced
	ReasonAddress Reason = "address"  // the address is not on lo
	ReasonUpDelay Reason = "up_delay" // everything is well, and has not been for long enough

	ReasonProbes Reason = "probes" // servers have not been probed yet

	// Failures.
	ReasonSpeaker  Reason = "speaker"  // the BGP speaker does not run
	ReasonFault    Reason = "fault"    // a tracked interface is down
	ReasonInstance Reason = "instance" // the VRRP instance is not active
	ReasonTable    Reason = "table"    // the kernel lacks the IPVS services
	ReasonQuorum   Reason = "quorum"   // too few virtual servers serve

	// Planned.
	ReasonStopping    Reason = "stopping"
	ReasonRemoved     Reason = "removed"
	ReasonMaintenance Reason = "maintenance"
	ReasonOperator    Reason = "operator"
)

// Reasons are all reasons that a prefix is not announced for, in the order in which they
// are looked for.
func Reasons() []Reason {
	return []Reason{
		ReasonSpeaker, ReasonFault, ReasonInstance, ReasonTable, ReasonQuorum,
		ReasonStopping, ReasonRemoved, ReasonMaintenance, ReasonOperator, ReasonProbes, ReasonAddress, ReasonUpDelay,
	}
}

// Text says it for people.
func (r Reason) Text() string {
	switch r {
	case ReasonReady:
		return "all is well"
	case ReasonAddress:
		return "the address is not on lo yet"
	case ReasonUpDelay:
		return "everything is well, up_delay runs"
	case ReasonSpeaker:
		return "the BGP speaker does not run"
	case ReasonFault:
		return "a tracked interface is down"
	case ReasonInstance:
		return "the VRRP instance is not active"
	case ReasonTable:
		return "the kernel lacks IPVS services of it"
	case ReasonProbes:
		return "real servers have not been probed yet"
	case ReasonQuorum:
		return "virtual servers lack their quorum"
	case ReasonStopping:
		return "usher ends"
	case ReasonRemoved:
		return "the configuration no longer has it"
	case ReasonMaintenance:
		return "maintenance"
	case ReasonOperator:
		return "withdrawn by an operator"
	}
	return ""
}

// Failure says whether a reason is one that nobody has planned.
func (r Reason) Failure() bool {
	switch r {
	case ReasonSpeaker, ReasonFault, ReasonTable, ReasonQuorum:
		return true
	}
	return false
}

// failure is what keeps this director from serving the prefix.
func (c Conditions) failure() Reason {
	switch {
	case !c.Speaker:
		return ReasonSpeaker
	case !c.Healthy:
		return ReasonFault
	case !c.Instance:
		return ReasonInstance
	case !c.Table:
		return ReasonTable
	case !c.Quorum:
		return ReasonQuorum
	}
	return ReasonNone
}

// planned is what somebody wants, who has the time to do it well.
func (c Conditions) planned() Reason {
	switch {
	case c.Stopping:
		return ReasonStopping
	case c.Removed:
		return ReasonRemoved
	case c.Maintenance:
		return ReasonMaintenance
	case c.Withdrawn:
		return ReasonOperator
	}
	return ReasonNone
}
