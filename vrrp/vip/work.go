package vip

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"
	"time"

	"usher/vrrp"
)

// Bounds of the pause after something could not be held.
const (
	retryFirst = 100 * time.Millisecond
	retryMost  = 5 * time.Second
)

// work is what a worker knows of the kernel.
type work struct {
	have     map[Object]*heldObject // by identity
	order    []Object               // identities, as they were added
	sure     time.Time              // until when the instance is known to have been active
	asking   time.Time              // since when a confirmation is awaited; zero where none is
	schedule schedule
	retry    time.Duration // pause after the last failure; 0 where nothing fails
	retryAt  time.Time
	failed   lack // last failures told, so that they are told once
	moved    bool // what is held changed, and the audit does not know
	remade   bool // an interface was made anew: what was on the one before went with it
	comeback comeback
	willed   []Object // last given to Options.Will
}

// heldObject is one object that is in the kernel.
type heldObject struct {
	object  Object
	foreign bool // somebody else put it there: never renewed, never removed
	renewed time.Time
	lost    bool // it is not there, or perhaps not: only worth the try to remove it
	changed bool // it is there, but is to be replaced
	// unmarked says that the address is there without usher's mark, which it had.
	unmarked bool
	told     string // what happened to it behind usher's back
}

// step brings the kernel to what is wanted and gives the time of the next look;
// zero for none until something happens.
func (k *worker) step(w desired, active bool) time.Time {
	k.work.comeback.note(w, time.Now())
	_, failed := k.bring(w, w.plan.standing, func() bool { return true })
	w.suspect, k.work.remade = w.suspect || k.work.remade, false
	if !active {
		k.rest(w.plan)
		if w.sweep {
			k.sweep(w.plan)
		}
		k.outcome(failed)
		return earliest(k.work.retryAt, k.comeBack(w.plan, failed.held))
	}
	if wait := k.unsure(w); wait > 0 {
		k.held.Store(false)
		return time.Now().Add(wait)
	}
	k.bequeath(w)
	fresh, missing := k.bring(w, w.plan.objects, k.active.Load)
	k.bequeath(desired{plan: w.plan}) // some turned out to be somebody else's
	if !k.active.Load() {
		k.poke()
		return time.Time{}
	}
	failed.and(missing)
	k.outcome(failed)
	k.settled(failed.held == "")
	if k.drop(w.plan.stands, w.plan.belongs) {
		k.mend(w)
	}
	if fresh || w.rounds > 0 || w.relinked {
		k.work.schedule.begin(w.plan, time.Now(), fresh)
	}
	next := k.announce(w.plan)
	return earliest(next, k.work.retryAt, k.renewal(w.plan))
}

// settled notes whether an active instance holds everything.
func (k *worker) settled(held bool) {
	if held && !k.held.Load() {
		k.work.comeback.heldAt = time.Now()
	}
	k.held.Store(held)
	if held && k.told() {
		k.trust() // before it gave way
	}
}

// unsure says how long to wait because it is not known whether the instance is
// still active: the process slept through most of a lease, so a peer may have
// taken over unheard. Zero says that it is known.
func (k *worker) unsure(w desired) time.Duration {
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

// passes bounds how often one look at the kernel is repeated: with an interface that
// is made anew everything on it has to be.
const passes = 4

// bring adds what is missing of some objects, puts right what is not as it shall be,
// announces each new address at once, and renews what is due. It reports whether
// something new is there, and what failed. It stops as soon as it may not go on.
func (k *worker) bring(w desired, objects []Object, may func() bool) (fresh bool, failed lack) {
	for range passes {
		wrong, remade, gone := w.suspect && k.check(objects), false, false
		failed = lack{}
		for _, o := range objects {
			if !may() {
				return fresh, failed
			}
			repaired, added, err := k.ensure(o)
			if errors.Is(err, syscall.ENODEV) && w.plan.spare[o.Identity()] {
				continue // when its interface comes, that is looked at again
			}
			if err != nil {
				gone = gone || meanwhile(err)
				failed.note(o, err)
				continue
			}
			if !added {
				continue
			}
			fresh = true
			if _, ok := o.(Macvlan); ok && len(k.work.have) > 1 {
				remade = true
			}
			if failed.held == "" {
				k.progress()
			}
			k.work.schedule.first(w.plan, o)
			k.announce(w.plan)
			if repaired != "" {
				k.repaired(o, repaired)
			}
		}
		// What went between two steps, as an interface of usher's own does with all that is
		// on it, is made anew at once, not after the pause of what is refused.
		if !wrong && !remade && !gone {
			break
		}
		w.suspect, k.work.remade = true, k.work.remade || remade
	}
	return fresh, failed
}

// meanwhile says that a refusal may come of something else that was seen and went since: an
// interface, the source address of a route, the network of its gateway.
func meanwhile(err error) bool {
	for _, e := range []error{syscall.ENODEV, syscall.EINVAL, syscall.EADDRNOTAVAIL, syscall.ENETUNREACH} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// outcome tells a failure once, and arms the next try.
func (k *worker) outcome(failed lack) {
	k.doubted(failed.held)
	k.tell(&k.work.failed.held, failed.held, vrrp.EventAddressFailed, vrrp.EventAddressEnd)
	k.tell(&k.work.failed.paths, failed.paths, vrrp.EventRouteFailed, vrrp.EventRouteEnd)
	if failed == (lack{}) {
		k.work.retry, k.work.retryAt = 0, time.Time{}
		return
	}
	k.work.retry = min(max(retryFirst, 2*k.work.retry), retryMost)
	k.work.retryAt = time.Now().Add(k.work.retry)
}

// tell tells a failure that was not told last, and the end of the last.
func (k *worker) tell(last *string, failed string, begins, ends vrrp.EventKind) {
	switch {
	case failed == *last:
		return
	case failed == "":
		k.event(ends, "over: "+*last)
	default:
		k.m.o.Log.Error("vrrp: cannot hold", "instance", k.name, "object", failed)
		k.event(begins, failed)
	}
	*last = failed
}

// drop removes what is not to be kept, the last first, and says whether there was any.
func (k *worker) drop(keep ...map[Object]bool) (dropped bool) {
	for _, id := range slices.Backward(slices.Clone(k.work.order)) {
		if !slices.ContainsFunc(keep, func(ids map[Object]bool) bool { return ids[id] }) {
			k.remove1(id)
			dropped = true
		}
	}
	return dropped
}

// mend puts back what usher itself took along: with the last address of an interface
// the kernel removes all routes on it.
func (k *worker) mend(w desired) {
	if !k.check(w.plan.objects) {
		return
	}
	for _, t := range k.work.have {
		t.told = ""
	}
	w.suspect = false
	k.bring(w, w.plan.objects, k.active.Load)
}

// rest is the state of an instance that is not active: it announces nothing and
// holds only what stands all the time.
func (k *worker) rest(p plan) {
	k.held.Store(false)
	k.work.schedule, k.work.sure, k.work.asking = schedule{}, time.Time{}, time.Time{}
	k.drop(p.stands)
	k.revoke()
}

// release removes everything.
func (k *worker) release() { k.rest(plan{}) }

func (k *worker) remove1(id Object) {
	t := k.work.have[id]
	if last := k.forget(id); t.foreign || !last {
		return
	}
	if err := k.m.o.Kernel.Remove(t.object); err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.m.o.Log.Error("vrrp: cannot remove", "instance", k.name, "object", t.object.String(), "error", err)
		k.event(vrrp.EventAddressFailed, fmt.Sprintf("%s: remove: %v", t.object, err))
	}
}

// renewal is when leases are to be renewed next.
func (k *worker) renewal(p plan) (next time.Time) {
	if p.lease == 0 {
		return time.Time{}
	}
	for _, t := range k.work.have {
		if _, ok := t.object.(Address); ok && !t.foreign && !t.lost {
			next = earliest(next, t.renewed.Add(p.lease/3))
		}
	}
	// Even with nothing to renew the worker looks, to know when it slept too long.
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
