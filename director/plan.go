package director

import (
	"maps"
	"slices"

	"usher/director/ipvs"
)

// Plan gives the operations that turn have into want, sorted: the same input
// always gives the same plan, and Plan(x, x) is empty. Both tables hold only
// services that usher owns; what is in have alone is deleted.
//
// Every prefix is safe. What can be edited is edited in place, never deleted and
// made again. All that brings servers in comes before all that takes servers out
// (Shrinks), so a pool that serves before and after serves at every step between.
func Plan(want, have ipvs.Table) []Op {
	var grow, shrink []Op
	for _, key := range sortedKeys(want, have) {
		w, wanted := want[key]
		h, there := have[key]
		switch {
		case !wanted:
			shrink = append(shrink, Op{Kind: ipvs.DelService, Key: key})
			continue
		case !there:
			grow = append(grow, Op{Kind: ipvs.AddService, Key: key, Service: w.Service})
		}
		for _, op := range destinationOps(key, w.Destinations, h.Destinations) {
			if Shrinks(op) {
				shrink = append(shrink, op)
			} else {
				grow = append(grow, op)
			}
		}
		if there && w.Service != h.Service {
			// New settings take effect when the new servers are there already, but do
			// not wait for the old ones to go.
			grow = append(grow, Op{Kind: ipvs.EditService, Key: key, Service: w.Service})
		}
	}
	return append(grow, shrink...)
}

// Shrinks tells whether an operation can only take service away: it may be left
// out or come later without harm.
func Shrinks(op Op) bool {
	switch op.Kind {
	case ipvs.DelService, ipvs.DelDestination:
		return true
	case ipvs.EditDestination:
		return op.Destination.Weight == 0
	}
	return false
}

// Allowed tells whether a shrinking operation may run although others failed:
// not while a pool that want keeps serving would lose its last server by it
// because its new ones did not come in. have is the table as it is by now.
func Allowed(op Op, want, have ipvs.Table) bool {
	if !Shrinks(op) || op.Kind == ipvs.DelService {
		return true
	}
	w, h := want[op.Key], have[op.Key]
	if !serves(w.Destinations) {
		return true
	}
	for dest, d := range h.Destinations {
		if d.Weight > 0 && dest != op.Dest {
			return true
		}
	}
	return h.Destinations[op.Dest].Weight == 0
}

// Perform does one operation on a table in memory, as the kernel does when it
// succeeds. The maps of t are changed in place.
func Perform(t ipvs.Table, op Op) {
	e, there := t[op.Key]
	switch op.Kind {
	case ipvs.AddService:
		t[op.Key] = ipvs.Entry{Service: op.Service, Destinations: map[ipvs.DestinationKey]ipvs.Destination{}}
	case ipvs.EditService:
		e.Service = op.Service
		t[op.Key] = e
	case ipvs.DelService:
		delete(t, op.Key)
	case ipvs.AddDestination, ipvs.EditDestination:
		if there {
			if e.Destinations == nil {
				e.Destinations = map[ipvs.DestinationKey]ipvs.Destination{}
				t[op.Key] = e
			}
			e.Destinations[op.Dest] = op.Destination
		}
	case ipvs.DelDestination:
		delete(e.Destinations, op.Dest)
	}
}

// copied gives the entry under key with a destination map of its own.
func copied(t ipvs.Table, key ipvs.ServiceKey) (ipvs.Entry, bool) {
	e, there := t[key]
	e.Destinations = maps.Clone(e.Destinations)
	return e, there
}

func destinationOps(key ipvs.ServiceKey, want, have map[ipvs.DestinationKey]ipvs.Destination) []Op {
	dests := make([]ipvs.DestinationKey, 0, len(want)+len(have))
	for d := range want {
		dests = append(dests, d)
	}
	for d := range have {
		if _, both := want[d]; !both {
			dests = append(dests, d)
		}
	}
	slices.SortFunc(dests, ipvs.DestinationKey.Compare)
	var ops []Op
	for _, d := range dests {
		w, wanted := want[d]
		h, there := have[d]
		switch {
		case !wanted:
			ops = append(ops, Op{Kind: ipvs.DelDestination, Key: key, Dest: d})
		case !there:
			ops = append(ops, Op{Kind: ipvs.AddDestination, Key: key, Dest: d, Destination: w})
		case w != h:
			ops = append(ops, Op{Kind: ipvs.EditDestination, Key: key, Dest: d, Destination: w})
		}
	}
	return ops
}

func serves(dests map[ipvs.DestinationKey]ipvs.Destination) bool {
	for _, d := range dests {
		if d.Weight > 0 {
			return true
		}
	}
	return false
}

func sortedKeys(tables ...ipvs.Table) []ipvs.ServiceKey {
	var keys []ipvs.ServiceKey
	for i, t := range tables {
		for k := range t {
			if i == 0 || !slices.ContainsFunc(tables[:i], func(o ipvs.Table) bool { _, seen := o[k]; return seen }) {
				keys = append(keys, k)
			}
		}
	}
	slices.SortFunc(keys, ipvs.ServiceKey.Compare)
	return keys
}
