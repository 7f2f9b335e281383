package healthcheck

import "time"

// Event is something that happened to the checks themselves.
type Event struct {
	Kind    EventKind
	At      time.Time
	ID      ID     // the server, where it is about one
	Check   string // its check, likewise
	Message string
}

// EventKind says what an Event is about.
type EventKind string

// The events.
const (
	EventOverload EventKind = "check_overload"     // probes start late by more than half their interval
	EventExpiry   EventKind = "certificate_expiry" // a server's certificate ends soon
	// EventCannotRun: a check of a virtual server cannot be carried out on this machine,
	// for one server at least; told once for all.
	EventCannotRun EventKind = "check_cannot_run"
	EventCanRun    EventKind = "check_can_run" // for every server again
)
