package engine

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"usher/director"
)

// troubles are the errors that last, by their text. Each is told once when it begins,
// is a Warning while it lasts, and is told to be over. Its zero value is ready.
type troubles struct {
	mu  sync.Mutex
	all map[string]*trouble
}

type trouble struct {
	event director.Event
	again bool // seen since the present pass over everything began
}

// add notes an error, and says whether it is a new one.
func (t *troubles) add(what string, e director.Event) (fresh bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known := t.all[what]; known != nil {
		known.again = true
		return false
	}
	if t.all == nil {
		t.all = map[string]*trouble{}
	}
	t.all[what] = &trouble{event: e, again: true}
	return true
}

// begin begins a pass over everything.
func (t *troubles) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, known := range t.all {
		known.again = false
	}
}

// over ends, after a pass over everything that went well, the errors that were not seen
// in it, and gives an event of each.
func (t *troubles) over(now time.Time) (events []director.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for what, known := range t.all {
		if known.again {
			continue
		}
		delete(t.all, what)
		events = append(events, director.Event{Time: now, Kind: director.EventErrorEnd, VirtualServer: known.event.VirtualServer, Reason: "over: " + known.event.Reason})
	}
	slices.SortFunc(events, func(a, b director.Event) int { return cmp.Compare(a.Reason, b.Reason) })
	return events
}

// warnings gives the errors that last.
func (t *troubles) warnings() (list []director.Warning) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, known := range t.all {
		list = append(list, director.Warning{Kind: "kernel", VirtualServer: known.event.VirtualServer, Text: known.event.Reason, Since: known.event.Time})
	}
	slices.SortFunc(list, func(a, b director.Warning) int { return cmp.Compare(a.Text, b.Text) })
	return list
}

// report tells of an error, once while it lasts.
func (d *Engine) report(what string, e director.Event, events *[]director.Event) {
	if d.troubles.add(what, e) {
		*events = append(*events, e)
	}
}
