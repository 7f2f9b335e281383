package vip

import (
	"context"
	"time"
)

// How often everything is compared with the kernel where no change is told of, and
// how much of the time an audit may take where changes are told of without end.
const (
	auditEvery = time.Second
	auditShare = 5 // one part in so many
)

// audit compares what all instances hold with the kernel, whenever that tells of a
// change and each second for what it does not tell of. It reads each kind of
// object once for all of them. What it finds it leaves to the workers, who look
// again before they act: they may have been at work in the meantime.
func (m *Manager) audit(ctx context.Context) {
	every := time.NewTicker(auditEvery)
	defer every.Stop()
	told := ""
	var free time.Time // when the next one may begin; where nothing happens that is long over
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.look:
		case <-every.C:
		}
		if wait := time.Until(free); wait > 0 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
		}
		start := time.Now()
		err := m.compare()
		switch {
		case err == nil:
			told = ""
		case err.Error() != told:
			told = err.Error()
			m.o.Log.Error("vrrp: cannot compare what is held with the kernel", "error", err)
		}
		free = time.Now().Add((auditShare - 1) * time.Since(start))
	}
}

// compare is one audit.
func (m *Manager) compare() error {
	var objects []Object
	var owners []*worker
	var foreign []bool
	for _, k := range m.all() {
		claims := k.claims.Load()
		if claims == nil {
			continue
		}
		for _, c := range *claims {
			objects, foreign, owners = append(objects, c.object), append(foreign, c.foreign), append(owners, k)
		}
	}
	if len(objects) == 0 {
		return nil
	}
	seen, err := m.o.Kernel.Look(objects)
	for i, s := range seen {
		if s.wrong(objects[i], foreign[i], !m.markless.Load()) {
			owners[i].missing(objects[i].String() + " " + s.fault())
		}
	}
	return err
}

// claim is an object that an instance holds, somebody else's perhaps.
type claim struct {
	object  Object
	foreign bool
}

// wrong says whether an object is not as it shall be. A route of usher's can be
// replaced, and an address lose its mark, without which nobody would remove it after a
// crash, where the kernel keeps marks.
func (s Sight) wrong(o Object, foreign, marks bool) bool {
	if s != Foreign || foreign {
		return s == Absent || s == Differs
	}
	switch o.(type) {
	case Route:
		return true
	case Address:
		return marks
	}
	return false
}

// fault says in words what is wrong with what was seen.
func (s Sight) fault() string {
	switch s {
	case Differs:
		return "was changed"
	case Foreign:
		return "was replaced"
	}
	return "was gone"
}

// publish tells the audit what is held; the caller has its turn.
func (k *worker) publish() {
	if !k.work.moved {
		return
	}
	k.work.moved = false
	claims := make([]claim, 0, len(k.work.order))
	for _, id := range k.work.order {
		if t := k.work.have[id]; t != nil && !t.lost {
			claims = append(claims, claim{t.object, t.foreign})
		}
	}
	k.claims.Store(&claims)
}

// check looks at some of what is held, and marks what is not as it shall be. It
// reports whether there is any.
func (k *worker) check(objects []Object) (wrong bool) {
	var known []Object
	for _, o := range objects {
		if t := k.work.have[o.Identity()]; t != nil && !t.lost && t.object == o {
			known = append(known, o)
		}
	}
	if len(known) == 0 {
		return false
	}
	seen, _ := k.m.o.Kernel.Look(known) // the audit, which asks the same, tells what is unseen
	for i, s := range seen {
		t := k.work.have[known[i].Identity()]
		if !s.wrong(known[i], t.foreign, !k.m.markless.Load()) {
			continue
		}
		if _, ok := known[i].(Address); ok && s == Foreign {
			t.unmarked = true
		} else {
			t.lost, t.changed, t.told = true, s == Differs, s.fault()
			k.work.moved, wrong = true, true
		}
	}
	return wrong
}
