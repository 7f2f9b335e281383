package engine

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"usher/director"
	"usher/director/internal/parallel"
	"usher/director/ipvs"
)

// work is what has to be done for some services.
type work struct {
	want   ipvs.Table
	events []director.Event
	ops    []director.Op
	drains []string // pools whose connections are to be counted
	timed  []string // these, and those that change by themselves
}

// evaluate evaluates the pools concerned and gives what has to be done for them and for
// what is no longer configured.
func (d *Engine) evaluate(all bool, now time.Time, events *[]director.Event) []work {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := d.concerned(all)
	thoughts := make([]work, len(names)/parallel.Part+1)
	parallel.Parts(len(names), func(from, to int) { thoughts[from/parallel.Part] = d.desired(names[from:to], now) })
	for _, name := range names {
		delete(d.loop.timed, name)
	}
	for _, t := range thoughts {
		*events = append(*events, t.events...)
		d.watchTimes(t, all, now)
	}
	clear(d.dirty)
	d.rememberSlowStarts()
	if len(d.retired) > 0 {
		thoughts = append(thoughts, d.departing(now))
	}
	return thoughts
}

// desired evaluates the pools of these names and plans from what the kernel has of their
// services to what they want. Caller holds mu.
func (d *Engine) desired(names []string, now time.Time) work {
	t := work{want: make(ipvs.Table, len(names))}
	have := make(ipvs.Table, min(len(names), len(d.shadow)))
	for _, name := range names {
		p := d.pools[name]
		t.events = append(t.events, p.Evaluate(now)...)
		p.Want(t.want, now)
		for _, key := range p.Config().Services() {
			if e, ok := d.shadow[key]; ok {
				have[key] = e
			}
		}
		if len(p.Draining()) > 0 {
			t.drains, t.timed = append(t.drains, name), append(t.timed, name)
		} else if !p.Deadline(now).IsZero() {
			t.timed = append(t.timed, name)
		}
	}
	t.ops = director.Plan(t.want, have)
	return t
}

// watchTimes has Run look again at what changes by itself. Caller holds mu.
func (d *Engine) watchTimes(t work, all bool, now time.Time) {
	l := &d.loop
	for _, name := range t.drains {
		if d.dirty[name] || all || l.poll.IsZero() {
			d.pollSoon(now, firstPoll)
		}
	}
	for _, name := range t.timed {
		l.timed[name] = true
	}
}

// departing plans what is left to do of services that are no longer configured. Caller
// holds mu.
func (d *Engine) departing(now time.Time) work {
	t, have := work{want: ipvs.Table{}}, ipvs.Table{}
	for key, r := range d.retired {
		if e, ok := d.shadow[key]; ok {
			have[key] = e
			if r.Want(t.want, key) {
				d.pollSoon(now, nextPoll)
			}
		}
	}
	t.ops = director.Plan(t.want, have)
	return t
}

// concerned gives the names of the pools to look at, in configured order. A health
// event costs what it concerns, however many pools there are. Caller holds mu.
func (d *Engine) concerned(full bool) []string {
	if full {
		return d.order
	}
	names := slices.Collect(maps.Keys(d.dirty))
	for name := range d.loop.timed {
		if d.pools[name] == nil { // dropped by a reload
			delete(d.loop.timed, name)
		} else if !d.dirty[name] {
			names = append(names, name)
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return d.pools[name] == nil })
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(d.ranks[a], d.ranks[b]) })
	return names
}
