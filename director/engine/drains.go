package engine

import (
	"fmt"
	"slices"
	"time"

	"usher/director"
	"usher/director/ipvs"
)

func (d *Engine) pollSoon(now time.Time, in time.Duration) {
	if at := now.Add(in); d.loop.poll.IsZero() || at.Before(d.loop.poll) {
		d.loop.poll = at
	}
}

// pollDrains counts the connections of everything that is being emptied.
func (d *Engine) pollDrains(now time.Time, events *[]director.Event) {
	l := &d.loop
	l.poll = time.Time{}
	var keys []ipvs.ServiceKey
	d.mu.Lock()
	for name := range l.timed {
		if p := d.pools[name]; p != nil {
			keys = append(keys, p.Draining()...)
		}
	}
	for key := range d.retired {
		keys = append(keys, key)
	}
	d.mu.Unlock()
	if len(keys) == 0 {
		return
	}
	slices.SortFunc(keys, ipvs.ServiceKey.Compare)
	counters, err := d.options.Kernel.Counters(keys...)
	l.poll = now.Add(nextPoll)
	if err != nil {
		err = fmt.Errorf("director: count connections: %w", err)
		d.report(err.Error(), director.Event{Time: now, Kind: director.EventError, Reason: err.Error()}, events)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for name := range l.timed {
		if p := d.pools[name]; p != nil && len(p.Draining()) > 0 {
			p.Observe(counters, now)
		}
	}
	for key, r := range d.retired {
		r.Observe(key, counters, now)
	}
}
