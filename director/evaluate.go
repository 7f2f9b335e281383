package director

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"usher/director/ipvs"
)

// part is how many pools are thought through by one goroutine: enough to be worth it, and
// all processors have some where pools are many.
const part = 64

// inParts calls f for the numbers from 0 to n-1, a part of them each time, on all
// processors at once.
func inParts(n int, f func(from, to int)) {
	if n <= part {
		f(0, n)
		return
	}
	var wait sync.WaitGroup
	for from := 0; from < n; from += part {
		wait.Go(func() { f(from, min(from+part, n)) })
	}
	wait.Wait()
}

// work is what has to be done for some services.
type work struct {
	want   ipvs.Table
	events []Event
	ops    []Op
	drains []string // pools whose connections are to be counted
	timed  []string // these, and those that change by themselves
}

// evaluate evaluates the pools concerned and gives what has to be done for them and for
// what is no longer configured.
func (d *Director) evaluate(all bool, now time.Time, events *[]Event) []work {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := d.concerned(all)
	thoughts := make([]work, len(names)/part+1)
	inParts(len(names), func(from, to int) { thoughts[from/part] = d.desired(names[from:to], now) })
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
func (d *Director) desired(names []string, now time.Time) work {
	t := work{want: make(ipvs.Table, len(names))}
	have := make(ipvs.Table, min(len(names), len(d.shadow)))
	for _, name := range names {
		p := d.pools[name]
		t.events = append(t.events, p.Evaluate(now)...)
		p.Want(t.want, now)
		for _, key := range p.config.services() {
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
	t.ops = Plan(t.want, have)
	return t
}

// watchTimes has Run look again at what changes by itself. Caller holds mu.
func (d *Director) watchTimes(t work, all bool, now time.Time) {
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
func (d *Director) departing(now time.Time) work {
	t, have := work{want: ipvs.Table{}}, ipvs.Table{}
	for key, r := range d.retired {
		if e, ok := d.shadow[key]; ok {
			have[key] = e
			if r.want(t.want, key) {
				d.pollSoon(now, nextPoll)
			}
		}
	}
	t.ops = Plan(t.want, have)
	return t
}

// concerned gives the names of the pools to look at, in configured order. A health
// event costs what it concerns, however many pools there are. Caller holds mu.
func (d *Director) concerned(full bool) []string {
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
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(d.pools[a].rank, d.pools[b].rank) })
	return names
}
