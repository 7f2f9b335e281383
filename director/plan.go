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
	keys, additions := sortedKeys(want, have)
	grow := make([]Op, 0, additions)
	var shrink []Op
	var dests []ipvs.DestinationKey
	for _, key := range keys {
		w, wanted := want[key]
		h, there := have[key]
		switch {
		case !wanted:
			shrink = append(shrink, Op{Kind: ipvs.DelService, Key: key})
			continue
		case !there:
			grow = append(grow, Op{Kind: ipvs.AddService, Key: key, Service: w.Service})
		case w.Service == h.Service && maps.Equal(w.Destinations, h.Destinations):
			continue
		}
		dests = sortedDestinations(dests[:0], w.Destinations, h.Destinations)
		for _, dest := range dests {
			op, differs := destinationOp(key, dest, w.Destinations, h.Destinations)
			switch {
			case !differs:
			case Shrinks(op):
				shrink = append(shrink, op)
			default:
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

// ApplyOp does one operation on a table in memory, as the kernel does when it
// succeeds. The maps of t are changed in place.
func ApplyOp(t ipvs.Table, op Op) {
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

// destinationOp turns what have has of a destination into what want has.
func destinationOp(key ipvs.ServiceKey, dest ipvs.DestinationKey, want, have map[ipvs.DestinationKey]ipvs.Destination) (op Op, differs bool) {
	w, wanted := want[dest]
	h, there := have[dest]
	switch {
	case !wanted:
		return Op{Kind: ipvs.DelDestination, Key: key, Dest: dest}, true
	case !there:
		return Op{Kind: ipvs.AddDestination, Key: key, Dest: dest, Destination: w}, true
	}
	return Op{Kind: ipvs.EditDestination, Key: key, Dest: dest, Destination: w}, w != h
}

// sortedDestinations appends those of both to dests.
func sortedDestinations(dests []ipvs.DestinationKey, want, have map[ipvs.DestinationKey]ipvs.Destination) []ipvs.DestinationKey {
	for d := range want {
		dests = append(dests, d)
	}
	for d := range have {
		if _, both := want[d]; !both {
			dests = append(dests, d)
		}
	}
	slices.SortFunc(dests, ipvs.DestinationKey.Compare)
	return dests
}

func serves(dests map[ipvs.DestinationKey]ipvs.Destination) bool {
	for _, d := range dests {
		if d.Weight > 0 {
			return true
		}
	}
	return false
}

// sortedKeys gives the services of both tables, and how many operations add those
// that only want has.
func sortedKeys(want, have ipvs.Table) (keys []ipvs.ServiceKey, additions int) {
	keys = make([]ipvs.ServiceKey, 0, max(len(want), len(have)))
	for k, e := range want {
		keys = append(keys, k)
		if _, both := have[k]; !both {
			additions += 1 + len(e.Destinations)
		}
	}
	for k := range have {
		if _, both := want[k]; !both {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, ipvs.ServiceKey.Compare)
	return keys, additions
}
