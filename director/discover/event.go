package discover

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// EventKind says what happened.
type EventKind string

// What a pool reports.
const (
	EventChanged   EventKind = "discovered"          // servers came or left
	EventFailed    EventKind = "discovery_failed"    // an answer is none, for another reason than the one before
	EventRecovered EventKind = "discovery_recovered" // the first good answer after such
	EventHeld      EventKind = "discovery_held"      // more would have left in one step than may
	EventLeftOut   EventKind = "discovery_left_out"  // an entry is no server of the pool
	EventDamaged   EventKind = "discovery_damaged"   // what is kept of a pool cannot be read, and is set aside
)

// Warning tells whether what happened needs a person.
func (k EventKind) Warning() bool {
	return k == EventFailed || k == EventHeld || k == EventLeftOut || k == EventDamaged
}

// Event is one thing that happened.
type Event struct {
	Time          time.Time
	Kind          EventKind
	VirtualServer string
	Source        string // its name
	Reason        string
}

// tell gives what a good answer changed.
func (p *Pool) tell(source int, before Set, servers []Server, now time.Time) (all []Event) {
	set, conf := &p.sets[source], &p.config.Sources[source]
	add := func(kind EventKind, format string, args ...any) {
		all = append(all, Event{Time: now, Kind: kind, VirtualServer: p.config.Server.Name, Source: conf.Name, Reason: fmt.Sprintf(format, args...)})
	}
	all = p.recovered(source, before, now)
	came, went := departed(p.servers, servers), departed(servers, p.servers)
	switch {
	case len(came)+len(went) > 0:
		text := ""
		if len(came) > 0 {
			text = fmt.Sprintf("%d came (%s)", len(came), names(came))
		}
		if len(went) > 0 {
			if text != "" {
				text += ", "
			}
			text += fmt.Sprintf("%d left (%s)", len(went), names(went))
		}
		add(EventChanged, "%s; %d by now", text, p.count(source))
	case !alike(servers, p.servers):
		add(EventChanged, "weights, forward methods or priorities changed")
	}
	if n := len(set.Held); n > 0 && !slices.Equal(set.Held, before.Held) {
		add(EventHeld, "%d more left than may in one step (max_leave %g): they stay until the next answer (%s)", n, conf.MaxLeave, names(addresses(set.Held)))
	}
	for _, i := range set.Ignored {
		if !slices.Contains(before.Ignored, i) {
			add(EventLeftOut, "%s is left out: %s", i.Entry, i.Why)
			if len(all) >= mostTold {
				add(EventLeftOut, "%d entries are left out in all", len(set.Ignored))
				break
			}
		}
	}
	return all
}

// recovered gives the first good answer after others.
func (p *Pool) recovered(source int, before Set, now time.Time) []Event {
	if before.Failure == nil {
		return nil
	}
	return []Event{{Time: now, Kind: EventRecovered, VirtualServer: p.config.Server.Name, Source: p.config.Sources[source].Name,
		Reason: fmt.Sprintf("it answers again, after %s (%s)", now.Sub(before.Failing).Round(time.Second), before.Failure.Reason)}}
}

// mostTold is how many events one answer makes, about.
const mostTold = 10

// count is how many servers of the pool are a source's.
func (p *Pool) count(source int) int {
	n := 0
	for i := range p.servers {
		if p.servers[i].Source == source {
			n++
		}
	}
	return n
}

// stays says what a failed answer leaves as it was.
func (p *Pool) stays(source int, now time.Time) string {
	set := &p.sets[source]
	switch n := p.count(source); {
	case set.Confirmed.IsZero() && n == 0:
		return "it has listed no server so far"
	case n == 1:
		return fmt.Sprintf("its last server stays, %s old", now.Sub(set.Confirmed).Round(time.Second))
	default:
		return fmt.Sprintf("its last %d servers stay, %s old", n, now.Sub(set.Confirmed).Round(time.Second))
	}
}

func addresses(entries []Entry) []netip.AddrPort {
	var all []netip.AddrPort
	for _, e := range entries {
		all = append(all, e.Address)
	}
	return all
}
