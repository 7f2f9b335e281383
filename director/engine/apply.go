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

// apply has the kernel do what was thought of: first all that brings servers in, then
// what takes some out, except where the servers that were to replace them did not come in.
func (d *Engine) apply(thoughts []work, events *[]director.Event) []error {
	count := 0
	for _, t := range thoughts {
		count += len(t.ops)
	}
	grow, shrink := make([]director.Op, 0, count), []director.Op(nil)
	want := ipvs.Table{} // of the services that shrink
	for _, t := range thoughts {
		split := slices.IndexFunc(t.ops, director.Shrinks)
		if split < 0 {
			split = len(t.ops)
		}
		grow, shrink = append(grow, t.ops[:split]...), append(shrink, t.ops[split:]...)
		for _, op := range t.ops[split:] {
			want[op.Key] = t.want[op.Key]
		}
	}
	errs := d.do(grow, events)
	return append(errs, d.do(d.allowed(shrink, want), events)...)
}

// allowed gives those of ops, which take servers out, that no pool needs that has
// others by now.
func (d *Engine) allowed(ops []director.Op, want ipvs.Table) []director.Op {
	d.mu.Lock()
	now := make(ipvs.Table, len(want))
	for key := range want {
		if e, ok := copied(d.shadow, key); ok {
			now[key] = e
		}
	}
	d.mu.Unlock()
	return slices.DeleteFunc(ops, func(op director.Op) bool {
		if !director.Allowed(op, want, now) {
			return true
		}
		director.ApplyOp(now, op)
		return false
	})
}

// atOnce is how many operations the kernel is asked for in one step.
const atOnce = 2000

// ask has the kernel do ops, and gives the error of each.
func (d *Engine) ask(ops []director.Op) []error {
	results := make([]error, len(ops))
	for from := 0; from < len(ops); from += atOnce {
		d.step()
		copy(results[from:], d.options.Kernel.Apply(ops[from:min(from+atOnce, len(ops))]))
	}
	return results
}

// do applies ops and takes note of what came of each.
func (d *Engine) do(ops []director.Op, events *[]director.Event) []error {
	if len(ops) == 0 {
		return nil
	}
	results := d.ask(ops)
	var errs []error
	d.mu.Lock()
	defer d.mu.Unlock()
	touched := map[ipvs.ServiceKey]bool{}
	for i, op := range ops {
		if results[i] == nil {
			// The plan's own view of the table shares its maps with the shadow.
			if e, there := d.shadow[op.Key]; there && !touched[op.Key] {
				e.Destinations = maps.Clone(e.Destinations)
				d.shadow[op.Key] = e
			}
			touched[op.Key] = true
			director.ApplyOp(d.shadow, op)
			if op.Kind == ipvs.AddService {
				e := d.shadow[op.Key]
				e.Destinations = make(map[ipvs.DestinationKey]ipvs.Destination, additions(ops[i+1:], op.Key))
				d.shadow[op.Key] = e
			}
			d.stats.Ops[op.Kind]++
			continue
		}
		err := fmt.Errorf("director: %s: %w%s", op, results[i], hint(op, results[i]))
		errs = append(errs, err)
		d.stats.Errors++
		if unexpected(results[i]) && d.loop.backoff == 0 {
			continue // the look at the table that follows says what somebody else did
		}
		if !refusal(results[i]) && !unexpected(results[i]) {
			d.loop.uncertain[op.Key] = true
		}
		d.report(err.Error(), director.Event{Time: time.Now(), Kind: director.EventError, VirtualServer: d.nameOf(op.Key), Reason: err.Error()}, events)
	}
	return errs
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

// mixed tells a server of another address family than its service.
func mixed(key ipvs.ServiceKey, dest ipvs.DestinationKey) bool {
	return dest.Address.Is6() != key.Is6()
}

// hint explains what the kernel's errno alone does not say.
func hint(op director.Op, err error) string {
	if errors.Is(err, unix.EINVAL) && op.Dest.Address.IsValid() && mixed(op.Key, op.Dest) {
		return " (the kernel takes no real server of another address family than its service while a sync daemon runs)"
	}
	return ""
}

// copied gives the entry under key with a destination map of its own.
func copied(t ipvs.Table, key ipvs.ServiceKey) (ipvs.Entry, bool) {
	e, there := t[key]
	e.Destinations = maps.Clone(e.Destinations)
	return e, there
}
