package discover

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"usher/director"
)

// Reason says in one word why an answer is none.
type Reason string

// The reasons.
const (
	ReasonTimeout     Reason = "timeout"     // nothing came in time
	ReasonUnreachable Reason = "unreachable" // the network, or who listens there, refuses
	ReasonNXDomain    Reason = "nxdomain"    // the name does not exist
	ReasonServFail    Reason = "servfail"    // SERVFAIL, REFUSED and other response codes of DNS
	ReasonMismatch    Reason = "mismatch"    // an answer to another question
	ReasonTLS         Reason = "tls"         // no connection that is trusted
	ReasonStatus      Reason = "status"      // another HTTP status than 200
	ReasonUnreadable  Reason = "unreadable"  // a file that is not there or may not be read
	ReasonMalformed   Reason = "malformed"   // what came is not in the form
	ReasonTooLarge    Reason = "too_large"   // more bytes than are read
	ReasonTooMany     Reason = "too_many"    // more servers than max_servers
	ReasonEmpty       Reason = "empty"       // no server, without allow_empty
	ReasonUnusable    Reason = "unusable"    // servers, of which the pool can have none
)

// Reasons are all of them, in the order of metrics.
var Reasons = []Reason{
	ReasonTimeout, ReasonUnreachable, ReasonNXDomain, ReasonServFail, ReasonMismatch, ReasonTLS, ReasonStatus,
	ReasonUnreadable, ReasonMalformed, ReasonTooLarge, ReasonTooMany, ReasonEmpty, ReasonUnusable,
}

// Failure is why an answer is none.
type Failure struct {
	Reason Reason `json:"reason"`
	Text   string `json:"text"` // for people, printable
}

// Error makes a Failure an error for the readers of sources.
func (f *Failure) Error() string { return f.Text }

// NoWeight is the weight of an entry that gives none.
const NoWeight = -1

// Entry is one server as a source lists it.
type Entry struct {
	Address  netip.AddrPort   `json:"address"`                  // port 0 where the source gives none
	Weight   int              `json:"weight"`                   // 0..65535, or NoWeight
	Forward  director.Forward `json:"forward_method,omitempty"` // "" where the source gives none
	Priority int              `json:"priority,omitempty"`       // of SRV, 0..65535: the least is wanted first
}

// shown is the entry's address as its source has it.
func (e Entry) shown() string {
	if e.Address.Port() == 0 {
		return e.Address.Addr().String()
	}
	return e.Address.String()
}

func (e Entry) compare(o Entry) int {
	return cmp.Or(e.Address.Compare(o.Address), cmp.Compare(e.Priority, o.Priority), cmp.Compare(o.Weight, e.Weight), cmp.Compare(e.Forward, o.Forward))
}

// sorted gives entries in the one order that sets have, each address once: of two, the
// one that is wanted first, and then the one with the greater weight.
func sorted(entries []Entry) []Entry {
	out := slices.Clone(entries)
	for i := range out {
		out[i].Address = netip.AddrPortFrom(out[i].Address.Addr().Unmap(), out[i].Address.Port())
	}
	slices.SortFunc(out, Entry.compare)
	return slices.CompactFunc(out, func(a, b Entry) bool { return a.Address == b.Address })
}

// Ignored is something in an answer that is no server of the pool.
type Ignored struct {
	Entry string `json:"entry"` // as the source has it, printable
	Why   string `json:"why"`
}

// Answer is what came of one question.
type Answer struct {
	Entries []Entry
	Ignored []Ignored     // what of it names no server at all
	TTL     time.Duration // how long it may be believed; 0 where the source does not say
	Failure *Failure      // nil where the answer is one
}

// Fail is the answer that is none.
func Fail(reason Reason, text string) Answer {
	return Answer{Failure: &Failure{Reason: reason, Text: text}}
}
