package healthcheck

import (
	"fmt"
	"time"
)

// Outcome is what one probe found out.
type Outcome uint8

// The outcomes. Inconclusive is the zero value: a probe that tells nothing of
// the server (this machine ran out of descriptors or ports, or looked too late)
// must never take it down.
const (
	Inconclusive Outcome = iota
	Pass
	Fail
)

// String gives the word that metrics use.
func (o Outcome) String() string {
	switch o {
	case Pass:
		return "pass"
	case Fail:
		return "fail"
	}
	return "inconclusive"
}

// MarshalText makes an Outcome a word in JSON.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads the word that MarshalText wrote.
func (o *Outcome) UnmarshalText(b []byte) error {
	for _, outcome := range []Outcome{Inconclusive, Pass, Fail} {
		if string(b) == outcome.String() {
			*o = outcome
			return nil
		}
	}
	return fmt.Errorf("healthcheck: no outcome is called %q", b)
}

// Result is what one probe found out, and in what time.
type Result struct {
	Outcome Outcome
	// Reason says in words what went wrong, for the person who has to mend it.
	// A pass may carry one too, as an agent's message: the last one counts.
	Reason string
	// Absent says of an inconclusive result that there was nobody to ask, as an agent
	// beside the server: what was said last holds, and before anything was said, the
	// server is up.
	Absent bool
	// CannotRun says of an inconclusive result that no probe could be made, and none will
	// be before something on this machine is mended: Reason says what.
	CannotRun bool
	// Certain says of a failure that it would have been found at any time: no lateness
	// of this machine can have brought it about.
	Certain bool
	Latency time.Duration
	// Expiry is when the server's certificate ends; zero where there is none.
	Expiry time.Time
	// Advice is what the server, or a command asked about it, wants of its weight.
	Advice Advice
}

// Advice is a wish for a server's weight. The zero value wishes nothing.
type Advice struct {
	Drain    bool // no new connections
	Scaled   bool // Percent counts
	Percent  int  // of the weight
	Weighted bool // Weight counts, in place of the configured one
	Weight   int
}
