package discover

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"usher/director"
)

// Pool is what the sources of one virtual server say of its real servers. It is plain
// data: every method takes the time. The zero value is not ready, see NewPool.
type Pool struct {
	config  Config
	sets    []Set // of the sources, in their order
	written map[netip.AddrPort]bool

	servers []Server                       // as last resolved
	judged  map[director.RealServer]string // what Admit said of the servers that were resolved last
	left    []Left                         // lately, in that order
}

// Config is a pool with its sources, complete.
type Config struct {
	// Server is the virtual server as it is written, with the servers that are.
	Server  director.VirtualServer
	Sources []Source
	// Default is what every discovered server has, but for address, weight and priority.
	Default director.RealServer
	// Admit says why the pool cannot have a server, beside the rules of the director; nil
	// where nobody else has to be asked. The same server gets the same answer.
	Admit func(director.RealServer) error
}

// Set is what one source said.
type Set struct {
	Entries []Entry // of the last good answer
	// Held are entries that it no longer lists, and that stay until the next answer, since
	// more would have left in one step than may.
	Held    []Entry
	Ignored []Ignored // what is left out, with why

	Confirmed time.Time // when the last good answer came; zero before the first
	Changed   time.Time // when one last changed the set
	// Borrowed says that the entries are those of sources that the configuration no longer
	// has: they stay until this one has answered.
	Borrowed bool

	Failure *Failure  // of the latest answer; nil where it was good
	Failing time.Time // since when answers have been none; zero where the latest was good
	Errors  map[Reason]uint64
}

// Server is a server that was discovered.
type Server struct {
	director.RealServer
	Source int // index of its source
}

// NewPool gives the pool before any source has answered.
func NewPool(c Config) *Pool {
	p := &Pool{sets: make([]Set, len(c.Sources))}
	p.configure(c)
	return p
}

// Update takes a new configuration. The sets of sources that stay are kept. Where sources
// went and others came, the first that came keeps what those had until it answers: a
// source that is exchanged for another leaves no gap.
func (p *Pool) Update(c Config) {
	before, sets := *p, make([]Set, len(c.Sources))
	went := make(map[int]bool, len(before.sets))
	for i := range before.sets {
		went[i] = true
	}
	var came []int
	for i := range c.Sources {
		from := slices.IndexFunc(before.config.Sources, func(s Source) bool { return s.Same(&c.Sources[i]) })
		if from < 0 || !went[from] {
			came = append(came, i)
			continue
		}
		sets[i] = before.sets[from]
		delete(went, from)
	}
	if len(came) > 0 && len(went) > 0 {
		heir := &sets[came[0]]
		for _, s := range before.servers {
			if went[s.Source] {
				heir.Entries = append(heir.Entries, Entry{Address: s.Address, Weight: s.Weight, Forward: s.Forward, Priority: s.Priority})
			}
		}
		for i := range went {
			if at := before.sets[i].Confirmed; at.After(heir.Confirmed) {
				heir.Confirmed = at
			}
		}
		heir.Borrowed = len(heir.Entries) > 0
	}
	p.sets = sets
	p.configure(c)
}

func (p *Pool) configure(c Config) {
	p.config, p.judged = c, nil
	p.written = make(map[netip.AddrPort]bool, len(c.Server.Real)+len(c.Server.Sorry))
	for _, list := range [...][]director.RealServer{c.Server.Real, c.Server.Sorry} {
		for i := range list {
			p.written[list[i].Address] = true
		}
	}
	p.servers, _ = p.resolve()
}

// Outcome is what an answer did.
type Outcome struct {
	Changed bool // the pool has other servers, or others of their settings
	Events  []Event
}

// Step takes an answer of the source with an index.
func (p *Pool) Step(source int, a Answer, now time.Time) Outcome {
	set, conf := &p.sets[source], &p.config.Sources[source]
	before, servers, judged := *set, p.servers, p.judged
	entries := sorted(a.Entries)
	failure := a.Failure
	switch {
	case failure != nil:
	case len(entries) == 0 && len(a.Ignored) == 0 && !conf.AllowEmpty:
		failure = &Failure{ReasonEmpty, "it lists no server, which is obeyed with allow_empty alone"}
	case len(entries) > conf.MaxServers:
		failure = &Failure{ReasonTooMany, fmt.Sprintf("it lists %d servers, more than max_servers (%d)", len(entries), conf.MaxServers)}
	case len(entries) == 0 && len(a.Ignored) > 0:
		failure = unusable(a.Ignored)
	}
	if failure != nil {
		return p.failed(source, failure, now)
	}
	if set.says(entries, a.Ignored) { // as it does nearly always
		set.Confirmed, set.Failure, set.Failing = now, nil, time.Time{}
		return Outcome{Events: p.recovered(source, before, now)}
	}
	set.Entries, set.Held, set.Borrowed = entries, nil, false
	after, usable := p.resolve()
	if set.Ignored = append(slices.Clone(a.Ignored), set.Ignored...); usable[source] == 0 && len(entries) > 0 {
		ignored := set.Ignored
		*set, p.servers, p.judged = before, servers, judged
		return p.failed(source, unusable(ignored), now)
	}
	gone := departed(servers, after)
	may := p.mayLeave(conf)
	held := len(gone) - may
	if held > 0 {
		set.Held = p.hold(conf, before, gone[may:])
		after, _ = p.resolve()
		set.Ignored = append(slices.Clone(a.Ignored), set.Ignored...)
	}
	p.servers = after
	p.remember(departed(servers, after), now)
	set.Confirmed, set.Failure, set.Failing = now, nil, time.Time{}
	out := Outcome{Changed: !alike(servers, after)}
	if out.Changed {
		set.Changed = now
	}
	out.Events = p.tell(source, before, servers, now)
	return out
}

// says tells whether an answer is what was said before, so that nothing of the pool has
// to be looked at.
func (s *Set) says(entries []Entry, ignored []Ignored) bool {
	return !s.Confirmed.IsZero() && len(s.Held)+len(s.Ignored)+len(ignored) == 0 && !s.Borrowed && slices.Equal(entries, s.Entries)
}

// failed notes an answer that is none: nothing else changes.
func (p *Pool) failed(source int, f *Failure, now time.Time) Outcome {
	set := &p.sets[source]
	was := set.Failure
	set.Failure = f
	if set.Failing.IsZero() {
		set.Failing = now
	}
	if set.Errors == nil {
		set.Errors = map[Reason]uint64{}
	}
	set.Errors[f.Reason]++
	if was != nil && was.Reason == f.Reason {
		return Outcome{}
	}
	return Outcome{Events: []Event{{
		Time: now, Kind: EventFailed, VirtualServer: p.config.Server.Name, Source: p.config.Sources[source].Name,
		Reason: f.Text + "; " + p.stays(source, now),
	}}}
}

// unusable is the failure of an answer of which nothing can be taken.
func unusable(all []Ignored) *Failure {
	f := &Failure{ReasonUnusable, "nothing of it can be a server"}
	if len(all) > 0 {
		f.Text += fmt.Sprintf(", as %s: %s", all[0].Entry, all[0].Why)
	}
	return f
}

// mayLeave is how many servers of the pool may leave in one step: at least one, unless
// none may.
func (p *Pool) mayLeave(s *Source) int {
	if s.MaxLeave <= 0 {
		return 0
	}
	all := len(p.config.Server.Real) + len(p.servers)
	return max(1, int(math.Floor(s.MaxLeave*float64(all))))
}

// hold gives the entries of a set whose servers have to stay, though they are no longer
// listed.
func (p *Pool) hold(s *Source, before Set, stay []netip.AddrPort) (held []Entry) {
	for _, e := range sorted(slices.Concat(before.Entries, before.Held)) {
		if rs, err := p.server(s, e); err == nil && slices.Contains(stay, rs.Address) {
			held = append(held, e)
		}
	}
	return held
}

// alike tells whether two lists are of the same servers with the same settings.
func alike(a, b []Server) bool {
	if len(a) != len(b) {
		return false
	}
	all := make(map[director.RealServer]bool, len(a))
	for i := range a {
		all[a[i].RealServer] = true
	}
	return !slices.ContainsFunc(b, func(s Server) bool { return !all[s.RealServer] })
}

// departed gives the addresses of servers that are no longer there, in order.
func departed(before, after []Server) []netip.AddrPort {
	there := make(map[netip.AddrPort]bool, len(after))
	for i := range after {
		there[after[i].Address] = true
	}
	var gone []netip.AddrPort
	for i := range before {
		if !there[before[i].Address] {
			gone = append(gone, before[i].Address)
		}
	}
	return gone
}

// Servers gives the discovered servers that the pool has, in the order of sources and
// addresses. Whoever gets them must not change them.
func (p *Pool) Servers() []Server { return p.servers }

// Sets gives what each source said, in their order. They must not be changed.
func (p *Pool) Sets() []Set { return p.sets }

// Sources gives the sources, in their order.
func (p *Pool) Sources() []Source { return p.config.Sources }

// Server gives the virtual server with its written and discovered servers.
func (p *Pool) Server() director.VirtualServer {
	vs := p.config.Server
	vs.Real = slices.Grow(slices.Clip(vs.Real), len(p.servers))
	for i := range p.servers {
		vs.Real = append(vs.Real, p.servers[i].RealServer)
	}
	return vs
}

// names writes some addresses for people.
func names(all []netip.AddrPort) string {
	const most = 5
	var text []string
	for _, a := range all[:min(len(all), most)] {
		text = append(text, a.String())
	}
	if more := len(all) - most; more > 0 {
		text = append(text, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(text, ", ")
}
