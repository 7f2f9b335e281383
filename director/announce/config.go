package announce

import (
	"net/netip"
	"slices"
	"time"
)

// Config is everything that is to be announced, and to whom.
type Config struct {
	Local         Local
	Peers         []Peer         // in the order of the configuration, each address once
	Announcements []Announcement // each prefix in one of them
}

// Announcement is some host routes that are announced and withdrawn for the same reasons.
type Announcement struct {
	Name     string
	Prefixes []netip.Prefix // host routes, /32 and /128
	Pools    []string       // virtual servers that have to be in the kernel, and to serve as Require says
	Require  Require
	Times    Parameters

	Communities []Community
	MED         uint32 // while nothing is drained

	Instance   string   // announced only while that VRRP instance is active; "" for always
	Interfaces []string // each has to be up
}

// Longest is how long a planned withdrawal takes, from its decision until nothing is held any
// more.
func (c Config) Longest() (longest time.Duration) {
	for _, a := range c.Announcements {
		longest = max(longest, a.Times.DrainTimeout+a.Times.Linger)
	}
	return longest
}

// drainedMED is the worst that a router compares as a number: 4294967295 stands for no path
// at all with some.
const drainedMED = 1<<32 - 2

// Path is what is announced of one of its prefixes.
func (a Announcement) Path(p netip.Prefix, draining bool) Path {
	if !draining {
		return Path{Prefix: p, Communities: a.Communities, MED: a.MED}
	}
	communities := slices.DeleteFunc(slices.Clone(a.Communities), func(c Community) bool { return c == GracefulShutdown })
	return Path{Prefix: p, Communities: append(communities, GracefulShutdown), MED: drainedMED}
}

// Equal tells whether two paths are the same to a router.
func (p Path) Equal(o Path) bool {
	return p.Prefix == o.Prefix && p.MED == o.MED && slices.Equal(p.Communities, o.Communities)
}

// Status is an announcement as it stands.
type Status struct {
	Name        string
	Prefixes    []PrefixStatus
	Pools       []string
	Removed     bool   // the configuration has it no more; it ends
	Withdrawals uint64 // since the engine was made: what was announced was taken back
}

// PrefixStatus is one prefix as it stands.
type PrefixStatus struct {
	Prefix netip.Prefix
	Phase  Phase
	Reason Reason
	Text   string    // Reason for people, with the names of what it is about
	Since  time.Time // when Phase became so
	Until  time.Time // when up_delay, drain_timeout or linger is over; zero where none runs
}

// EventKind says what happened.
type EventKind string

// What is reported.
const (
	EventAnnouncement EventKind = "announcement" // From and To are announced, draining or withdrawn
	EventSession      EventKind = "bgp_session"  // From and To are of SessionState
	EventSpeaker      EventKind = "bgp_speaker"  // To is up or down
	EventError        EventKind = "error"        // something could not be done, which is tried again
	EventErrorEnd     EventKind = "error_end"    // and is done by now
)

// Event is one thing that happened.
type Event struct {
	Time         time.Time
	Kind         EventKind
	Announcement string
	Prefix       netip.Prefix
	Peer         netip.Addr
	From, To     string
	Reason       Reason // of EventAnnouncement
	Text         string // the reason for people
}

// Warning is something that stays as it is until a person does something about it.
type Warning struct {
	Kind    string // bgp_session, bgp_speaker, announcement
	Subject string
	Text    string
	Since   time.Time
	Error   bool // what clients notice
}

// Word is what routers have of a prefix in a phase: announced, draining or withdrawn.
func (p Phase) Word() string {
	switch p {
	case Announced, Draining:
		return string(p)
	}
	return "withdrawn"
}
