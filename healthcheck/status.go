package healthcheck

import (
	"fmt"
	"time"
)

// State is what the checks say of a server.
type State uint8

// The states. Down is the zero value: unknown servers get no traffic.
const (
	Down State = iota
	Up
	Degraded // up, with less weight
)

// String gives the word that status and metrics use.
func (s State) String() string {
	switch s {
	case Up:
		return "up"
	case Degraded:
		return "degraded"
	}
	return "down"
}

// MarshalText makes a State a word in JSON.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word that MarshalText wrote.
func (s *State) UnmarshalText(b []byte) error {
	for _, state := range []State{Down, Up, Degraded} {
		if string(b) == state.String() {
			*s = state
			return nil
		}
	}
	return fmt.Errorf("healthcheck: no state is called %q", b)
}

// Verdict is what the director needs to know of one server. It is comparable; a
// new one is delivered only when it differs from the last.
type Verdict struct {
	State   State
	Initial bool // no check has decided yet; State is the configured initial one
	Percent int  // of the configured weight, 0..100 and beyond for an agent that asks for more
	// Weighted: Weight takes the place of the configured weight, before Percent
	// (a command's or a file's say).
	Weighted bool
	Weight   int
	Drain    bool   // the server asked for no new connections
	Reason   string // for people: which check, what happened
}

// Update is one change of verdict, in order for each server.
type Update struct {
	ID      ID
	Verdict Verdict
	At      time.Time
}

// Status is one server as its checks see it.
type Status struct {
	ID      ID
	Verdict Verdict
	Since   time.Time
	Checks  []CheckStatus
	History []Update // the last changes, at most HistoryLength, oldest first
}

// HistoryLength is how many changes of each server are remembered.
const HistoryLength = 20

// CheckStatus is one check of one server.
type CheckStatus struct {
	Type      Type
	Name      string
	State     State
	Initial   bool
	Outcome   Outcome // of the last probe
	LastError string  // "" after a success
	// CannotRun is why the check cannot be carried out on this machine; "" where it can.
	// CannotRunSince is since when.
	CannotRun      string
	CannotRunSince time.Time
	Latency        time.Duration
	LastRun        time.Time
	NextRun        time.Time
	Since          time.Time
	Expiry         time.Time // of the server's certificate; zero where there is none
	// ExpiringSince is since when the certificate ends within the time for which a
	// warning is asked; zero while it does not.
	ExpiringSince time.Time
}
