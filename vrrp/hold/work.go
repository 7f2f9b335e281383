package hold

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"usher/vrrp"
)

// Bounds of the pause after something could not be held.
const (
	retryFirst = 100 * time.Millisecond
	retryMost  = 5 * time.Second
)

// work is what a keeper knows of the kernel.
type work struct {
	have     map[Object]*thing // by identity
	order    []Object          // identities, as they were added
	sure     time.Time         // until when the instance is known to have been active
	asking   time.Time         // since when a confirmation is awaited; zero where none is
	schedule schedule
	retry    time.Duration // pause after the last failure; 0 where nothing fails
	retryAt  time.Time
	failure  string // last failure told, so that it is told once
}

// thing is one object that is in the kernel.
type thing struct {
	object  Object
	foreign bool // somebody else put it there: never renewed, never removed
	renewed time.Time
}

// step brings the kernel to what is wanted and gives the time of the next look;
// zero for none until something happens.
func (k *keeper) step(w wish, active bool) time.Time {
	_, failed := k.bring(w, w.plan.standing, func() bool { return true })
	if !active {
		k.rest(w.plan)
		k.outcome(failed)
		return k.work.retryAt
	}
	if wait := k.unsure(w); wait > 0 {
		k.held.Store(false)
		return time.Now().Add(wait)
	}
	fresh, missing := k.bring(w, w.plan.objects, k.active.Load)
	if !k.active.Load() {
		k.poke()
		return time.Time{}
	}
	failed += missing
	k.outcome(failed)
	k.held.Store(failed == "")
	k.drop(w.plan.stands, w.plan.belongs)
	if fresh || w.rounds > 0 || w.relinked {
		k.work.schedule.begin(w.plan, time.Now(), fresh)
	}
	next := k.announce(w.plan)
	return earliest(next, k.work.retryAt, k.renewal(w.plan))
}

// unsure says how long to wait because it is not known whether the instance is
// still active: the process slept through most of a lease, so a peer may have
// taken over unheard. Zero says that it is known.
func (k *keeper) unsure(w wish) time.Duration {
	now := time.Now()
	if w.asserted.After(k.work.sure) {
		k.work.sure = w.asserted
	}
	late := w.plan.lease > 0 && now.Sub(k.work.sure) > 2*w.plan.lease/3
	if !late || k.m.o.Confirm == nil {
		k.work.sure, k.work.asking = now, time.Time{}
		return 0
	}
	if k.work.asking.IsZero() {
		k.work.asking = now
		k.m.o.Log.Warn("vrrp: woke late; addresses wait until the instance is known to be active",
			"instance", k.name, "late", now.Sub(k.work.sure))
	}
	k.m.o.Confirm(k.name)
	return w.plan.lease / 3
}

// bring adds what is missing of some objects, announces each new address at once,
// and renews what is due. It reports whether something new is there, and what
// failed. It stops as soon as it may not go on.
func (k *keeper) bring(w wish, objects []Object, may func() bool) (fresh bool, failed string) {
	for _, o := range objects {
		if !may() {
			return fresh, failed
		}
		repaired, added, err := k.ensure(o, w.suspect)
		if err != nil {
			failed += fmt.Sprintf("%s: %v; ", o, err)
			continue
		}
		if !added {
			continue
		}
		fresh = true
		k.work.schedule.first(w.plan, o)
		k.announce(w.plan)
		if repaired {
			k.m.o.Log.Warn("vrrp: was gone; put back", "instance", k.name, "object", o.String())
			k.event(vrrp.EventAddressRepaired, o.String()+" was gone, by somebody else's doing or because its lease ran out, and is put back")
		}
	}
	return fresh, failed
}

// outcome tells a failure once, and arms the next try.
func (k *keeper) outcome(failed string) {
	failed = strings.TrimSuffix(failed, "; ")
	if failed == "" {
		k.work.retry, k.work.retryAt, k.work.failure = 0, time.Time{}, ""
		return
	}
	k.work.retry = min(max(retryFirst, 2*k.work.retry), retryMost)
	k.work.retryAt = time.Now().Add(k.work.retry)
	if failed != k.work.failure {
		k.work.failure = failed
		k.m.o.Log.Error("vrrp: cannot hold", "instance", k.name, "object", failed)
		k.event(vrrp.EventAddressFailed, failed)
	}
}

// ensure brings one object into the kernel. It says whether the object was there
// before and had been taken away, and whether it was added now.
func (k *keeper) ensure(o Object, suspect bool) (repaired, added bool, err error) {
	id := o.Identity()
	t := k.work.have[id]
	if t != nil && t.object != o && !t.foreign && !onlyLease(t.object, o) {
		// A label or a scope changes only with a new address, a gateway only with
		// a new route.
		k.remove1(id)
		t = nil
	}
	if t == nil || suspect {
		return k.add(o, t)
	}
	a, leased := o.(Address)
	age := time.Since(t.renewed)
	switch {
	case t.foreign || !leased || (t.object == o && (a.Lease == 0 || age < a.Lease/3)):
		return false, false, nil
	case a.Lease > 0 && age > 2*a.Lease/3:
		return k.add(o, t) // it may have run out, and Renew would not tell
	}
	return false, false, k.renew(a, t)
}

func (k *keeper) renew(a Address, t *thing) error {
	now := time.Now()
	if err := k.m.o.Kernel.Renew(a); err != nil {
		k.forget(a.Identity())
		return err
	}
	t.object, t.renewed = a, now
	return nil
}

// add puts an object into the kernel, where it may be already; t is what is known of it.
func (k *keeper) add(o Object, t *thing) (repaired, added bool, err error) {
	now := time.Now()
	switch err := k.m.o.Kernel.Add(o); {
	case err == nil:
		k.note(o, &thing{object: o, renewed: now})
		return t != nil, true, nil
	case !errors.Is(err, fs.ErrExist):
		k.forget(o.Identity())
		return false, false, err
	}
	added = t == nil
	if added {
		ours, err := k.m.o.Kernel.Ours(o)
		if err != nil {
			return false, false, err
		}
		if !ours {
			k.m.o.Log.Warn("vrrp: was there before; it is neither leased nor ever removed", "instance", k.name, "object", o.String())
		}
		t = &thing{object: o, foreign: !ours, renewed: now}
		k.note(o, t)
	}
	if a, ok := o.(Address); ok && !t.foreign {
		err = k.renew(a, t)
	}
	return false, added, err
}

func (k *keeper) note(o Object, t *thing) {
	id := o.Identity()
	if k.work.have[id] == nil {
		k.work.order = append(k.work.order, id)
	}
	k.work.have[id] = t
}

func (k *keeper) forget(id Object) {
	delete(k.work.have, id)
	if n := len(k.work.order); n > 0 && k.work.order[n-1] == id {
		k.work.order = k.work.order[:n-1] // all of them go in this order, mostly
		return
	}
	k.work.order = slices.DeleteFunc(k.work.order, func(o Object) bool { return o == id })
}

// drop removes what is not to be kept, the last first.
func (k *keeper) drop(keep ...map[Object]bool) {
	for _, id := range slices.Backward(slices.Clone(k.work.order)) {
		if !slices.ContainsFunc(keep, func(ids map[Object]bool) bool { return ids[id] }) {
			k.remove1(id)
		}
	}
}

// rest is the state of an instance that is not active: it announces nothing and
// holds only what stands all the time.
func (k *keeper) rest(p plan) {
	k.held.Store(false)
	k.work.schedule, k.work.sure, k.work.asking = schedule{}, time.Time{}, time.Time{}
	k.drop(p.stands)
}

// release removes everything.
func (k *keeper) release() { k.rest(plan{}) }

func (k *keeper) remove1(id Object) {
	t := k.work.have[id]
	k.forget(id)
	if t.foreign {
		return
	}
	if err := k.m.o.Kernel.Remove(t.object); err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.m.o.Log.Error("vrrp: cannot remove", "instance", k.name, "object", t.object.String(), "error", err)
		k.event(vrrp.EventAddressFailed, fmt.Sprintf("%s: remove: %v", t.object, err))
	}
}

// renewal is when leases are to be renewed next.
func (k *keeper) renewal(p plan) (next time.Time) {
	if p.lease == 0 {
		return time.Time{}
	}
	for _, t := range k.work.have {
		if _, ok := t.object.(Address); ok && !t.foreign {
			next = earliest(next, t.renewed.Add(p.lease/3))
		}
	}
	// Even with nothing to renew the keeper looks, to know when it slept too long.
	return earliest(next, k.work.sure.Add(p.lease/3))
}

// onlyLease says whether two addresses differ in nothing but their lease.
func onlyLease(a, b Object) bool {
	x, ok1 := a.(Address)
	y, ok2 := b.(Address)
	x.Lease = y.Lease
	return ok1 && ok2 && x == y
}

// earliest is the first of some times; zero ones do not count.
func earliest(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
