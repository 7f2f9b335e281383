package director

import (
	"net/netip"
	"time"

	"usher/director/ipvs"
)

// ServerState is a real server's state as operators see it.
type ServerState string

// The states of a real server.
const (
	ServerUp       ServerState = "up"
	ServerDown     ServerState = "down"
	ServerDraining ServerState = "draining"
	ServerDisabled ServerState = "disabled"
	ServerInitial  ServerState = "initial" // not yet probed
)

// VirtualServerStatus is one pool as it stands.
type VirtualServerStatus struct {
	Name      string
	Address   string
	Protocol  string
	Scheduler string
	Forward   Forward
	Up        bool // quorum is there
	Quorum    int
	Sorry     bool // the sorry servers answer
	Reason    string
	Since     time.Time
	Counters  ipvs.Counters
	// Fingerprint is equal for pools that pick the same server for a flow: same scheduler,
	// servers, weights and order. It has 48 bits, which a float64 holds exactly.
	Fingerprint uint64
	Real        []RealServerStatus // those that a reload removed last
	Removed     bool               // the configuration no longer has it
	// Absent are servers that it does not have at present and of which an operator said
	// something, which holds when they are back; by address.
	Absent []AbsentServer
}

// AbsentServer is a server that a pool does not have, and what an operator said of it.
type AbsentServer struct {
	Address  netip.AddrPort
	Override Override
}

// RealServerStatus is one server as it stands.
type RealServerStatus struct {
	Address         netip.AddrPort
	Forward         Forward
	Weight          int // configured
	EffectiveWeight int // in the kernel; 0 where it is out
	State           ServerState
	Reason          string
	Since           time.Time
	Sorry           bool
	Override        *Override
	Removed         bool // the configuration no longer has it; it drains
	Counters        ipvs.Counters
}

// EventKind says what happened.
type EventKind string

// What the director reports.
const (
	EventServer   EventKind = "real_server"    // a real server changed state
	EventQuorum   EventKind = "virtual_server" // quorum gained or lost
	EventDrift    EventKind = "drift_repaired" // the kernel differed from what usher had set
	EventError    EventKind = "error"          // the kernel refused something
	EventErrorEnd EventKind = "error_end"      // and takes it by now
	EventDamaged  EventKind = "state_damaged"  // the state file could not be read, and is set aside
	EventOverride EventKind = "override"       // an operator spoke
	EventPanic    EventKind = "min_healthy"    // too few are healthy; the last good set is kept
)

// Event is one thing that happened, with its reason.
type Event struct {
	Time          time.Time
	Kind          EventKind
	VirtualServer string
	RealServer    netip.AddrPort // invalid where the whole virtual server is meant
	From, To      string
	Reason        string
}

// Warning is something that stays as it is until a person does something about it.
type Warning struct {
	Kind string // sync_daemon, kernel, min_healthy
	// VirtualServer is what it is about, "" for the director as a whole.
	VirtualServer string
	Text          string // what is so, and what to do
	Since         time.Time
}

// Stats count what an engine did since it was made.
type Stats struct {
	Ops          map[ipvs.OpKind]uint64 // operations that the kernel took
	Errors       uint64                 // operations that it refused
	DriftRepairs uint64
	Passes       uint64 // comparisons of the whole table
	LastPass     time.Time
	LastError    string // "" when the last pass succeeded
	// Busy is when Run began what it is doing, a part of a pass that takes but moments
	// where the kernel answers; zero while it waits for something to do.
	Busy time.Time
}
