package engine

import (
	"cmp"
	"log/slog"
	"slices"
	"time"

	"usher/director"
	"usher/director/ipvs"
)

// journal is what is told: events in their order, the errors that last, and what was
// counted.
type journal struct {
	log    *slog.Logger
	hears  func(director.Event) // nil to log events instead
	events []director.Event     // not delivered yet
	// troubles are the errors that last, by their text. Each is told once when it begins,
	// is a Warning while it lasts, and is told to be over.
	troubles map[string]*trouble
	stats    director.Stats
}

type trouble struct {
	event director.Event
	again bool // seen since the present pass over everything began
}

func newJournal(log *slog.Logger, hears func(director.Event)) *journal {
	return &journal{log: log, hears: hears, troubles: map[string]*trouble{}, stats: director.Stats{Ops: map[ipvs.OpKind]uint64{}}}
}

// tell adds events for the end of the pass.
func (j *journal) tell(events ...director.Event) { j.events = append(j.events, events...) }

// repaired counts and tells what somebody else had changed.
func (j *journal) repaired(events ...director.Event) {
	j.stats.DriftRepairs += uint64(len(events))
	j.tell(events...)
}

// report tells of an error, once while it lasts.
func (j *journal) report(err error, virtualServer string, now time.Time) {
	what := err.Error()
	if known := j.troubles[what]; known != nil {
		known.again = true
		return
	}
	e := director.Event{Time: now, Kind: director.EventError, VirtualServer: virtualServer, Reason: what}
	j.troubles[what] = &trouble{event: e, again: true}
	j.tell(e)
}

// begin begins a pass over everything.
func (j *journal) begin() {
	for _, known := range j.troubles {
		known.again = false
	}
}

// over ends, after a pass over everything that went well, the errors that were not seen
// in it, and tells so.
func (j *journal) over(now time.Time) {
	var events []director.Event
	for what, known := range j.troubles {
		if known.again {
			continue
		}
		delete(j.troubles, what)
		events = append(events, director.Event{Time: now, Kind: director.EventErrorEnd, VirtualServer: known.event.VirtualServer, Reason: "over: " + known.event.Reason})
	}
	slices.SortFunc(events, func(a, b director.Event) int { return cmp.Compare(a.Reason, b.Reason) })
	j.tell(events...)
}

// warnings gives the errors that last.
func (j *journal) warnings() (list []director.Warning) {
	for _, known := range j.troubles {
		list = append(list, director.Warning{Kind: "kernel", VirtualServer: known.event.VirtualServer, Text: known.event.Reason, Since: known.event.Time})
	}
	slices.SortFunc(list, func(a, b director.Warning) int { return cmp.Compare(a.Text, b.Text) })
	return list
}

// counted gives what was counted so far, all kinds of operation with it.
func (j *journal) counted() director.Stats {
	s := j.stats
	s.Ops = make(map[ipvs.OpKind]uint64, len(ipvs.OpKinds))
	for _, kind := range ipvs.OpKinds {
		s.Ops[kind] = j.stats.Ops[kind]
	}
	return s
}

// deliver hands events on, or logs them where nobody listens.
func (j *journal) deliver() {
	events := j.events
	j.events = nil
	for _, e := range events {
		if j.hears != nil {
			j.hears(e)
			continue
		}
		j.log.Info(string(e.Kind), "virtual_server", e.VirtualServer, "real_server", e.RealServer,
			"from", e.From, "to", e.To, "reason", e.Reason)
	}
}

// passed notes how a pass went; whole is one over everything.
func (j *journal) passed(whole bool, failure error, now time.Time) {
	if failure != nil {
		j.stats.LastError = failure.Error()
	} else if whole {
		j.stats.LastError = ""
	}
	if whole {
		j.stats.Passes++
		j.stats.LastPass = now
	}
}
