package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"usher/director"
	"usher/director/ipvs"
)

// table is what is usher's in the kernel, as it is believed to be.
type table struct {
	owned   map[ipvs.ServiceKey]bool
	entries ipvs.Table // as the kernel was left; nil before the first read
	shown   bool       // a snapshot has entries
	// uncertain are services of which the answer to an operation was lost.
	uncertain map[ipvs.ServiceKey]bool
}

func newTable() *table { return &table{uncertain: map[ipvs.ServiceKey]bool{}} }

// seen tells whether the kernel's table was ever read.
func (t *table) seen() bool { return t.entries != nil }

// show gives the entries as they stand, for readers.
func (t *table) show() ipvs.Table {
	t.shown = true
	return t.entries
}

// take believes what was read.
func (t *table) take(have ipvs.Table) {
	t.entries, t.shown = have.Subset(t.owned), false
	clear(t.uncertain)
}

// forget gives up what is known of the kernel.
func (t *table) forget() { t.entries, t.shown = nil, false }

// change makes ready to change entries: readers keep theirs.
func (t *table) change() {
	if t.shown {
		t.entries, t.shown = maps.Clone(t.entries), false
	}
}

// owns tells whether all services of virtual servers are usher's already.
func (t *table) owns(servers []director.VirtualServer) bool {
	for i := range servers {
		for _, key := range servers[i].Services() {
			if !t.owned[key] {
				return false
			}
		}
	}
	return true
}

// claim gives what is owned with the services configured, of which taken are others' by
// now. What is neither configured nor in the kernel is given up.
func (t *table) claim(configured map[ipvs.ServiceKey]bool, have ipvs.Table) (owned map[ipvs.ServiceKey]bool, taken []ipvs.ServiceKey) {
	owned = make(map[ipvs.ServiceKey]bool, len(configured))
	for key := range t.owned {
		if _, there := have[key]; there || configured[key] {
			owned[key] = true
		}
	}
	for key := range configured {
		if _, there := have[key]; there && !t.owned[key] {
			taken = append(taken, key)
		}
		owned[key] = true
	}
	slices.SortFunc(taken, ipvs.ServiceKey.Compare)
	return owned, taken
}

// exchange owns the services of one virtual server in place of those that it had. What is in
// the kernel stays usher's until it is gone.
func (t *table) exchange(before, after []ipvs.ServiceKey) {
	for _, key := range before {
		if _, there := t.entries[key]; !there {
			delete(t.owned, key)
		}
	}
	for _, key := range after {
		t.owned[key] = true
	}
}

// drift gives each difference between how our services were left and how they are. The
// plan that follows repairs it.
func (t *table) drift(have ipvs.Table, name func(ipvs.ServiceKey) string, now time.Time) []director.Event {
	left, found := ipvs.Table{}, ipvs.Table{}
	for key, e := range t.entries {
		if t.uncertain[key] || !t.owned[key] {
			continue
		}
		left[key] = e
		if h, ok := have[key]; ok {
			found[key] = h
		}
	}
	return director.Drift(left, found, name, now)
}

// disturbed tells whether a table that was read is not as ours was left.
func (t *table) disturbed(have ipvs.Table) bool {
	for key, left := range t.entries {
		if found, there := have[key]; t.owned[key] && !t.uncertain[key] && (!there || !same(left, found)) {
			return true
		}
	}
	return false
}

func same(a, b ipvs.Entry) bool {
	return a.Service == b.Service && maps.Equal(a.Destinations, b.Destinations)
}

// did takes note of operations that the kernel did; results are the errors of each.
func (t *table) did(ops []director.Op, results []error) {
	t.change()
	touched := map[ipvs.ServiceKey]bool{}
	for i, op := range ops {
		if results[i] != nil {
			if !refusal(results[i]) && !unexpected(results[i]) {
				t.uncertain[op.Key] = true
			}
			continue
		}
		// Plans, and readers, share the maps of destinations with entries.
		if e, there := t.entries[op.Key]; there && !touched[op.Key] {
			e.Destinations = maps.Clone(e.Destinations)
			t.entries[op.Key] = e
		}
		touched[op.Key] = true
		director.ApplyOp(t.entries, op)
		if op.Kind == ipvs.AddService {
			e := t.entries[op.Key]
			e.Destinations = make(map[ipvs.DestinationKey]ipvs.Destination, additions(ops[i+1:], op.Key))
			t.entries[op.Key] = e
		}
	}
}

// additions counts the destinations that ops first of all add to a service.
func additions(ops []director.Op, key ipvs.ServiceKey) int {
	for i, op := range ops {
		if op.Kind != ipvs.AddDestination || op.Key != key {
			return i
		}
	}
	return len(ops)
}

// allowed gives those of ops, which take servers out, that no pool needs that has others
// by now. want is what is wanted of their services.
func (t *table) allowed(ops []director.Op, want ipvs.Table) []director.Op {
	now := make(ipvs.Table, len(want))
	for key := range want {
		if e, there := t.entries[key]; there {
			e.Destinations = maps.Clone(e.Destinations)
			now[key] = e
		}
	}
	return slices.DeleteFunc(ops, func(op director.Op) bool {
		if !director.Allowed(op, want, now) {
			return true
		}
		director.ApplyOp(now, op)
		return false
	})
}

// mixed gives a server that is of another address family than its service.
func (t *table) mixed() (key ipvs.ServiceKey, dest ipvs.DestinationKey, ok bool) {
	for key, e := range t.entries {
		for dest := range e.Destinations {
			if mixed(key, dest) {
				return key, dest, true
			}
		}
	}
	return key, dest, false
}

// mixed tells a server of another address family than its service.
func mixed(key ipvs.ServiceKey, dest ipvs.DestinationKey) bool {
	return dest.Address.Is6() != key.Is6()
}

// refusal tells an answer of a kernel that did nothing, and has what it was believed
// to have.
func refusal(err error) bool {
	var missing *ipvs.ModuleError
	if errors.As(err, &missing) {
		return true
	}
	for _, errno := range []error{unix.EINVAL, unix.ERANGE, unix.EAFNOSUPPORT, unix.ENOMEM, unix.EBUSY, unix.EPERM} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// unexpected tells an answer of a kernel that did nothing, because its table was not
// as the director had left it.
func unexpected(err error) bool {
	var missing *ipvs.ModuleError
	if errors.As(err, &missing) {
		return false
	}
	return errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOENT)
}

// refused describes an operation that failed.
func refused(op director.Op, err error) error {
	return fmt.Errorf("director: %s: %w%s", op, err, hint(op, err))
}

// hint explains what the kernel's errno alone does not say.
func hint(op director.Op, err error) string {
	if errors.Is(err, unix.EINVAL) && op.Dest.Address.IsValid() && mixed(op.Key, op.Dest) {
		return " (the kernel takes no real server of another address family than its service while a sync daemon runs)"
	}
	return ""
}
