package engine

import (
	"maps"
	"slices"
	"time"

	"usher/director"
	"usher/director/ipvs"
)

// departures are services of usher's that the configuration no longer has, while they are
// emptied.
type departures map[ipvs.ServiceKey]*director.Retired

// begin retires what is owned and in the kernel, and not configured, and takes back what
// is configured again. was are the pools of before.
func (d departures) begin(configured, owned map[ipvs.ServiceKey]bool, have ipvs.Table, was *pools, now time.Time) {
	for key := range d {
		if configured[key] {
			delete(d, key)
		}
	}
	for key := range owned {
		e, there := have[key]
		if configured[key] || !there || d[key] != nil {
			continue
		}
		name, config := was.names[key], (*director.VirtualServer)(nil)
		if p := was.find(name); p != nil {
			config = p.Config()
		}
		d[key] = director.Retire(name, e, config, now)
	}
}

// exchange retires what one virtual server had and no longer has, and takes back what it
// has again.
func (d departures) exchange(was *director.VirtualServer, before, after []ipvs.ServiceKey, have ipvs.Table, now time.Time) {
	for _, key := range after {
		delete(d, key)
	}
	for _, key := range before {
		if e, there := have[key]; there && !slices.Contains(after, key) {
			d[key] = director.Retire(was.Name, e, was, now)
		}
	}
}

// work plans what is left to do of them; some tells whether any has connections left.
func (d departures) work(table ipvs.Table) (w work, some bool) {
	w = work{want: ipvs.Table{}}
	have := ipvs.Table{}
	for key, r := range d {
		if e, ok := table[key]; ok {
			have[key] = e
			some = r.Want(w.want, key) || some
		}
	}
	w.ops = director.Plan(w.want, have)
	return w, some
}

// observe takes their connections.
func (d departures) observe(counters ipvs.CounterTable, now time.Time) {
	for key, r := range d {
		r.Observe(key, counters, now)
	}
}

// end forgets those that are gone from the kernel, and gives their keys.
func (d departures) end(table ipvs.Table) (gone []ipvs.ServiceKey) {
	for key := range d {
		if _, there := table[key]; !there {
			delete(d, key)
			gone = append(gone, key)
		}
	}
	return gone
}

// keys gives their services.
func (d departures) keys() []ipvs.ServiceKey { return slices.Collect(maps.Keys(d)) }

// show gives them as they stand, for readers.
func (d departures) show() departures {
	shown := make(departures, len(d))
	for key, r := range d {
		shown[key] = r.Clone()
	}
	return shown
}
