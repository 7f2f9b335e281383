package vip

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"usher/vrrp"
)

// ensure brings one object into the kernel. It says what had been done to it behind
// usher's back, "" for nothing, and whether it was added now.
func (k *worker) ensure(o Object) (repaired string, added bool, err error) {
	id := o.Identity()
	t := k.work.have[id]
	if t != nil && t.object != o && !t.foreign && !onlyLease(t.object, o) {
		// A label or a scope changes only with a new address, a gateway only with
		// a new route.
		k.remove1(id)
		t = nil
	}
	if t == nil || t.lost {
		return k.add(o, t)
	}
	a, leased := o.(Address)
	if t.unmarked {
		return "", false, k.mark(a, t)
	}
	age := time.Since(t.renewed)
	switch {
	case t.foreign || !leased || (t.object == o && (a.Lease == 0 || age < a.Lease/3)):
		return "", false, nil
	case a.Lease > 0 && age > 2*a.Lease/3:
		t.told = "was gone, for its lease ran out"
		return k.add(o, t) // it may have, and Renew would not tell
	}
	return "", false, k.renew(a, t)
}

// mark puts usher's mark back on an address that has lost it, as by `ip address
// change`, along with its lease. A kernel that keeps no marks is found out by this.
func (k *worker) mark(a Address, t *heldObject) error {
	t.unmarked = false
	if err := k.renew(a, t); err != nil {
		return err
	}
	seen, err := k.m.o.Kernel.Look([]Object{a})
	switch {
	case err != nil:
		return err
	case seen[0] == Foreign:
		k.m.markless.Store(true)
	case seen[0] == InPlace:
		k.repaired(a, "was changed")
	}
	return nil
}

// repaired tells of what somebody did to an object, and that it is undone.
func (k *worker) repaired(o Object, how string) {
	k.mu.Lock()
	k.repairs[kindOf(o)]++
	k.mu.Unlock()
	k.m.o.Log.Warn("vrrp: "+how+"; put right", "instance", k.name, "object", o.String())
	k.event(vrrp.EventAddressRepaired, o.String()+" "+how+", and is put right")
}

func (k *worker) renew(a Address, t *heldObject) error {
	now := time.Now()
	if err := k.m.o.Kernel.Renew(a); err != nil {
		k.lose(t)
		return err
	}
	t.object, t.renewed = a, now
	return nil
}

// lose notes that something is not there, for all that is known. It is kept in mind:
// an interface that was renamed took it along.
func (k *worker) lose(t *heldObject) {
	if t != nil && !t.lost {
		t.lost, k.work.moved = true, true
	}
}

// add puts an object into the kernel, where it may be already; t is what is known of it.
func (k *worker) add(o Object, t *heldObject) (repaired string, added bool, err error) {
	if t != nil && t.changed {
		if err := k.m.o.Kernel.Remove(t.object); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", false, fmt.Errorf("remove, for it was changed: %w", err)
		}
		t.changed = false
	}
	now := time.Now()
	err = k.m.o.Kernel.Add(o)
	if errors.Is(err, fs.ErrExist) {
		return k.adopt(o, t)
	}
	if err != nil {
		k.lose(t)
		return "", false, err
	}
	if t != nil {
		repaired = t.told
	}
	k.note(o, &heldObject{object: o, renewed: now})
	return repaired, true, nil
}

// adopt takes what is there already for what shall be, where it is as it shall be.
func (k *worker) adopt(o Object, t *heldObject) (repaired string, added bool, err error) {
	if added = t == nil || t.lost; added {
		seen, err := k.m.o.Kernel.Look([]Object{o})
		if err != nil {
			return "", false, err
		}
		switch seen[0] {
		case Absent:
			return "", false, fmt.Errorf("%w, and then gone", fs.ErrExist)
		case Differs:
			if err := errors.Join(k.m.o.Kernel.Remove(o), k.m.o.Kernel.Add(o)); err != nil {
				return "", false, fmt.Errorf("replace what was there: %w", err)
			}
		case Foreign:
			k.m.o.Log.Warn("vrrp: was there before; it is neither leased nor ever removed", "instance", k.name, "object", o.String())
		}
		t = &heldObject{object: o, foreign: seen[0] == Foreign, renewed: time.Now()}
		k.note(o, t)
	}
	if a, ok := o.(Address); ok && !t.foreign {
		err = k.renew(a, t)
	}
	t.told = ""
	return "", added, err
}

func (k *worker) note(o Object, t *heldObject) {
	id := o.Identity()
	if before := k.work.have[id]; before == nil {
		k.work.order = append(k.work.order, id)
	} else {
		k.m.shares.leave(before.object)
	}
	k.m.shares.take(t.object)
	k.work.have[id] = t
	k.work.moved = true
}

// forget takes an object out of what is held, and says whether no other instance holds it.
func (k *worker) forget(id Object) (last bool) {
	last = k.m.shares.leave(k.work.have[id].object)
	delete(k.work.have, id)
	k.work.moved = true
	if n := len(k.work.order); n > 0 && k.work.order[n-1] == id {
		k.work.order = k.work.order[:n-1] // all of them go in this order, mostly
		return last
	}
	k.work.order = slices.DeleteFunc(k.work.order, func(o Object) bool { return o == id })
	return last
}
