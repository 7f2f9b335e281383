package director

import (
	"fmt"
	"net/netip"
	"time"

	"usher/vrrp/timespan"
)

// Override is what an operator said of one server; it holds until lifted, or until it ends.
type Override struct {
	Mode   OverrideMode `json:"mode"`
	Weight int          `json:"weight,omitempty"` // with OverrideWeight
	Since  time.Time    `json:"since"`
	By     string       `json:"by,omitempty"` // who said it, for people
	// Until is when it ends by itself, by the clock; zero where it does not. It is in
	// force for as long as it is after Since, at most.
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason,omitempty"` // why, in the operator's words
}

// Said is an override and which server it is of.
type Said struct {
	VirtualServer string
	RealServer    netip.AddrPort
	Override      Override
}

// Same tells whether two overrides say the same, and end together as far as clocks can
// tell. Who lifted something is not remembered.
func (o Override) Same(p Override) bool {
	if o.Mode == OverrideNone || p.Mode == OverrideNone {
		return o.Mode == p.Mode
	}
	return o.Mode == p.Mode && o.Weight == p.Weight && o.By == p.By && o.Reason == p.Reason &&
		o.Until.IsZero() == p.Until.IsZero() && o.Until.Sub(p.Until).Abs() < clockStep && o.Since.Sub(p.Since).Abs() < clockStep
}

// OverrideMode is the kind of an override.
type OverrideMode string

// The overrides.
const (
	OverrideNone    OverrideMode = ""        // as configured; `usher enable`
	OverrideDrain   OverrideMode = "drain"   // weight 0, out when its connections are gone
	OverrideDisable OverrideMode = "disable" // out at once
	OverrideWeight  OverrideMode = "weight"  // another weight than configured
)

// Effect is what an override does, for whoever asked for it.
type Effect struct {
	// Lifted is the override that was in force before.
	Lifted Override
	// Before and After are the server's weight for new connections, 0..65535; 0 where it
	// gets none.
	Before, After int
	State         ServerState // after it
	Reason        string      // of State
	// Connections are those that the server has, a second ago at most.
	Connections uint32
	// Deadline is when a drain ends at the latest; zero where nothing drains.
	Deadline time.Time
	// Absent says that the virtual server does not have the server at present, and that the
	// override is in force when it does; of the rest, Lifted and Unsaved alone are set.
	Absent bool
	// Unsaved is why the state folder does not hold the override: it is in force all the
	// same, and is lost if usher stops before the folder can be written.
	Unsaved error
}

// Validate gives what is wrong with an override of a server; nil for nothing. Since is set.
func (o Override) Validate(rs netip.AddrPort) error {
	if o.Mode == OverrideWeight && (o.Weight < 0 || o.Weight > 65535) {
		return fmt.Errorf("director: weight %d of %s: it must be 0 to 65535", o.Weight, rs)
	}
	if !o.Until.IsZero() && !o.Until.After(o.Since) {
		return fmt.Errorf("director: the override of %s ends at %s, before it begins", rs, timespan.At(o.Until))
	}
	return nil
}

// Text says what was said, by whom, until when and why: "drained by root until
// 2026-01-02 16:04:05 CET: kernel upgrade".
func (o Override) Text() string {
	what, by := o.What(), o.By
	if o.Mode == OverrideWeight {
		what += ", set"
	}
	if by == "" {
		by = "an operator"
	}
	text := what + " by " + by
	if !o.Until.IsZero() {
		text += " until " + timespan.At(o.Until)
	}
	if o.Reason != "" {
		text += ": " + o.Reason
	}
	return text
}

// What is what was said, in a word or two: "drained", "weight 7".
func (o Override) What() string {
	switch o.Mode {
	case OverrideDrain:
		return "drained"
	case OverrideDisable:
		return "disabled"
	case OverrideWeight:
		return fmt.Sprintf("weight %d", o.Weight)
	}
	return "lifted"
}

// clockStep is by how much the clock has to be off from the uptime for it to have been
// set: more than the two drift apart by, less than matters to a person.
const clockStep = 2 * time.Second

// Left is how long an override is still in force by the clock, negative where it is over.
// A clock that was set back makes it no longer than was asked for.
func (o Override) Left(now time.Time) time.Duration {
	until := o.Until.Round(0) // the clock's reading alone
	return min(until.Sub(now.Round(0)), until.Sub(o.Since.Round(0)))
}

// Moved gives an override with its times by a clock that was set since they were
// written, and whether it was. end is the uptime at which the override is over.
func (o Override) Moved(end time.Duration, now time.Time, uptime time.Duration) (Override, bool) {
	step := now.Add(end - uptime).Round(0).Sub(o.Until.Round(0))
	if step.Abs() < clockStep {
		return o, false
	}
	o.Until, o.Since = o.Until.Round(0).Add(step), o.Since.Round(0).Add(step)
	return o, true
}
