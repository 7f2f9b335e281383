// Package events remembers what happened, when and why: a ring of the latest
// events of everything, and the last few of each real server beside it, so that a
// noisy pool does not wipe out the history of a quiet one.
package events

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"usher/director"
	"usher/healthcheck"
	"usher/vrrp"
)

// How much is remembered.
const (
	DefaultSize = 2000 // events of everything
	PerServer   = 20   // changes of each real server
)

// Severity says how loudly an event asks for a person.
type Severity string

// The severities.
const (
	Info    Severity = "info"
	Warning Severity = "warning"
	Error   Severity = "error"
)

// Event is one thing that happened, with its reason. Exactly one of Instance,
// VirtualServer, Announcement or none (the daemon itself) says what it happened to.
type Event struct {
	Seq           uint64    `json:"seq"` // rises by one with each event; a daemon started later counts on from a greater number
	Time          time.Time `json:"time"`
	Severity      Severity  `json:"severity"`
	Kind          string    `json:"kind"` // vrrp.EventKind, director.EventKind, or reload, start, stop, maintenance, control_socket
	Instance      string    `json:"instance,omitempty"`
	Group         string    `json:"group,omitempty"`
	VirtualServer string    `json:"virtual_server,omitempty"`
	RealServer    string    `json:"real_server,omitempty"`
	Announcement  string    `json:"announcement,omitempty"`
	Prefix        string    `json:"prefix,omitempty"` // of the announcement
	From          string    `json:"from,omitempty"`
	To            string    `json:"to,omitempty"`
	Priority      int       `json:"priority,omitempty"`
	Peer          string    `json:"peer,omitempty"`
	Reason        string    `json:"reason"`
}

// FromVRRP translates an instance's event.
func FromVRRP(e vrrp.Event) Event {
	out := Event{
		Time: e.Time, Severity: Info, Kind: string(e.Kind), Instance: e.Instance, Group: e.Group,
		Priority: int(e.Priority), Reason: e.Reason,
	}
	if e.Peer.IsValid() {
		out.Peer = e.Peer.String()
	}
	switch e.Kind {
	case vrrp.EventState:
		out.From, out.To = e.From.String(), e.To.String()
		if e.To == vrrp.Fault {
			out.Severity = Error
		}
	case vrrp.EventSplitBrain, vrrp.EventDisagreement, vrrp.EventAddressFailed, vrrp.EventProcess:
		out.Severity = Error
	case vrrp.EventAddressRepaired, vrrp.EventWitness, vrrp.EventDiscard, vrrp.EventMismatch, vrrp.EventLate:
		out.Severity = Warning
	}
	return out
}

// FromDirector translates a director's event.
func FromDirector(e director.Event) Event {
	out := Event{
		Time: e.Time, Severity: Info, Kind: string(e.Kind), VirtualServer: e.VirtualServer,
		From: e.From, To: e.To, Reason: e.Reason,
	}
	if e.RealServer.IsValid() {
		out.RealServer = e.RealServer.String()
	}
	switch e.Kind {
	case director.EventServer:
		if e.To == string(director.ServerDown) {
			out.Severity = Warning
		}
	case director.EventQuorum:
		if e.To == string(director.ServerDown) {
			out.Severity = Error
		}
	case director.EventPanic:
		if e.To == "kept" {
			out.Severity = Warning
		}
	case director.EventDrift:
		out.Severity = Warning
	case director.EventError, director.EventDamaged:
		out.Severity = Error
	}
	return out
}

// Ring holds events. It is safe for concurrent use; readers never hold up a writer.
type Ring struct {
	mu      sync.Mutex
	size    int
	all     []Event        // by time, oldest first, at most size
	kinds   map[string]int // how many of each kind are in all
	servers map[server][]Event
	last    uint64
	fresh   chan struct{} // closed and replaced by each Add
	conceal func(string) string
}

type server struct{ virtual, real string }

// NewRing makes a ring of so many events, DefaultSize where size is 0. The first event
// is numbered last+1.
func NewRing(size int, last uint64) *Ring {
	if size <= 0 {
		size = DefaultSize
	}
	return &Ring{size: size, last: last, kinds: map[string]int{}, servers: map[server][]Event{}, fresh: make(chan struct{})}
}

// Conceal has the words of events to come pass through hide, which leaves secrets out. It
// is called before the first event.
func (r *Ring) Conceal(hide func(string) string) { r.conceal = hide }

// Numbering is the last for a ring that begins at a time: its events have greater
// numbers than those of every ring that began before, as long as there is less than one
// in a microsecond. So a reader who gives the last number that it knows misses nothing
// when the daemon is started anew. (Programs that keep numbers as floating point hold it
// exactly.)
func Numbering(begin time.Time) uint64 { return uint64(max(begin.UnixMicro(), 0)) }

// Line puts a text of several lines, as joined errors are, into one: "a; b".
func Line(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// Add numbers an event and remembers it. An event without time or severity gets
// the present and Info. Its reason becomes one line. Its words may have come from outside, a peer or a client of the
// API, and are made printable, whoever tells of it.
func (r *Ring) Add(e Event) Event {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if e.Severity == "" {
		e.Severity = Info
	}
	e.Reason = Line(e.Reason)
	for _, s := range []*string{&e.Instance, &e.Group, &e.VirtualServer, &e.RealServer, &e.Announcement, &e.Prefix, &e.From, &e.To, &e.Peer, &e.Reason} {
		if r.conceal != nil {
			*s = r.conceal(*s)
		}
		*s = healthcheck.Printable(*s)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	e.Seq = r.last
	r.insert(e)
	if e.RealServer != "" {
		k := server{e.VirtualServer, e.RealServer}
		r.servers[k] = appendLimited(r.servers[k], e, PerServer)
	}
	close(r.fresh)
	r.fresh = make(chan struct{})
	return e
}

// lookback is how many places an event that happened earlier than others may go back:
// those of another process come a little late.
const lookback = 64

// insert puts an event at its place in time. Where there is no room it takes that of the
// oldest one of the kind that has most, if that has more than its share, so that what
// comes in floods (from outside, even) does not wipe out the rest; else that of the
// oldest of all.
func (r *Ring) insert(e Event) {
	if len(r.all) >= r.size {
		i := 0
		if most := r.commonest(); r.kinds[most] > r.size/share {
			i = slices.IndexFunc(r.all, func(o Event) bool { return o.Kind == most })
		}
		r.leave(r.all[i])
		r.all = slices.Delete(r.all, i, i+1)
	}
	at := len(r.all)
	for back := 0; at > 0 && back < lookback && r.all[at-1].Time.After(e.Time); back++ {
		at--
	}
	r.all = slices.Insert(r.all, at, e)
	r.kinds[e.Kind]++
}

// commonest is the kind of which there are most; the first by name of several.
func (r *Ring) commonest() (most string) {
	for kind, n := range r.kinds {
		if n > r.kinds[most] || n == r.kinds[most] && kind < most {
			most = kind
		}
	}
	return most
}

func (r *Ring) leave(e Event) {
	if r.kinds[e.Kind]--; r.kinds[e.Kind] == 0 {
		delete(r.kinds, e.Kind)
	}
}

// share is the part of the ring that one kind of event has to itself where there is no
// room for all.
const share = 4

// Restore puts events of a daemon before this one, by time, behind those that are there
// already. They keep their numbers.
func (r *Ring) Restore(list []Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list = list[max(0, len(list)-(r.size-len(r.all))):]
	r.all = slices.Concat(list, r.all)
	for _, e := range list {
		r.kinds[e.Kind]++
		if e.RealServer != "" {
			k := server{e.VirtualServer, e.RealServer}
			r.servers[k] = appendLimited(r.servers[k], e, PerServer)
		}
	}
}

func appendLimited(list []Event, e Event, limit int) []Event {
	if len(list) == limit {
		list = list[1:]
	}
	return append(list, e) // which moves all others once in a while, not every time
}

// Filter chooses events. Empty fields choose all.
type Filter struct {
	Since         uint64 // only those with a greater sequence number; all where no event has come so far
	Limit         int    // at most so many, the newest; 0 for all
	Instance      string
	VirtualServer string
	RealServer    string
}

func (f Filter) match(e Event) bool {
	return e.Seq > f.Since &&
		(f.Instance == "" || f.Instance == e.Instance) &&
		(f.VirtualServer == "" || f.VirtualServer == e.VirtualServer) &&
		(f.RealServer == "" || f.RealServer == e.RealServer)
}

// List gives the chosen events by time, newest last, of real servers all that is remembered
// of each where the filter names one or its virtual server, the sequence number of the last event
// of all, and a channel that is closed when another event comes.
func (r *Ring) List(f Filter) (chosen []Event, last uint64, more <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.Since > r.last { // of a daemon before this one, when the clock was ahead
		f.Since = 0
	}
	chosen = []Event{}
	choose := func(from []Event) {
		for _, e := range from {
			if f.match(e) {
				chosen = append(chosen, e)
			}
		}
	}
	choose(r.all)
	if f.VirtualServer != "" || f.RealServer != "" {
		for k, own := range r.servers {
			if (f.VirtualServer == "" || f.VirtualServer == k.virtual) && (f.RealServer == "" || f.RealServer == k.real) {
				choose(own)
			}
		}
		slices.SortFunc(chosen, func(a, b Event) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Seq, b.Seq)) })
		chosen = slices.CompactFunc(chosen, func(a, b Event) bool { return a.Seq == b.Seq })
	}
	if f.Limit > 0 && len(chosen) > f.Limit {
		chosen = chosen[len(chosen)-f.Limit:]
	}
	return chosen, r.last, r.fresh
}

// Forget drops the history of real servers that keep says are gone, so that a
// configuration that changes for years does not grow the daemon.
func (r *Ring) Forget(keep func(virtualServer string, realServer netip.AddrPort) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k := range r.servers {
		if a, err := netip.ParseAddrPort(k.real); err != nil || !keep(k.virtual, a) {
			delete(r.servers, k)
		}
	}
}
