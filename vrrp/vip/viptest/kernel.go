// Package viptest has the in-memory double of vip.Kernel, and the suite that
// holds the double and the real kernel to the same behaviour.
//
//	func TestKernel(t *testing.T) { viptest.Contract(t, inKernel) } // a viptest.Run that opens the real one
//
//	manager := vip.New(vip.Options{Kernel: kernel}) // kernel is a *viptest.Kernel, in virtual time
package viptest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"usher/vrrp/vip"
)

// Kernel is a system's network in memory: interfaces, their objects, and leases
// that run out. Its clock is package time's, so in a synctest bubble leases run
// in virtual time. The zero value has no interfaces. It is safe for concurrent use.
type Kernel struct {
	// Announced takes every announcement that is sent, on the goroutine that
	// sends it; nil drops them. Set it before use.
	Announced func(vip.Announcement)
	// Markless makes it one before Linux 5.18, which does not say who added an address.
	// Set it before use.
	Markless bool

	mu       sync.Mutex
	links    map[string]bool
	objects  map[vip.Object]*entry
	watchers map[int]func(vip.Change)
	next     int
	failing  map[vip.Object]error
	refuse   func(vip.Object) error
	moved    map[vip.Object]vip.Object // where addresses went whose interface has another name now
}

type entry struct {
	object vip.Object
	ours   bool
	until  time.Time // zero for ever
	timer  *time.Timer
}

var _ vip.Kernel = (*Kernel)(nil)

// AddLink makes an interface.
func (k *Kernel) AddLink(name string) {
	k.mu.Lock()
	if k.links == nil {
		k.links = map[string]bool{}
	}
	k.links[name] = true
	report := k.reporter()
	k.mu.Unlock()
	report(vip.Change{Link: name})
}

// RemoveLink removes an interface and everything on it.
func (k *Kernel) RemoveLink(name string) {
	k.mu.Lock()
	delete(k.links, name)
	changes := []vip.Change{}
	k.clear(name, func(c vip.Change) { changes = append(changes, c) })
	report := k.reporter()
	k.mu.Unlock()
	for _, c := range append(changes, vip.Change{Link: name}) {
		report(c)
	}
}

// Fail makes every later Add of an object fail; nil lets it succeed again.
func (k *Kernel) Fail(o vip.Object, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failing == nil {
		k.failing = map[vip.Object]error{}
	}
	k.failing[o.Identity()] = err
}

// Refuse asks before every later Add whether it shall fail; nil for never.
func (k *Kernel) Refuse(f func(vip.Object) error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refuse = f
}

// AddForeign puts an object there as somebody else would: without usher's mark.
func (k *Kernel) AddForeign(o vip.Object) error { return k.add(o, false) }

// Add implements vip.Kernel.
func (k *Kernel) Add(o vip.Object) error { return k.add(o, true) }

func (k *Kernel) add(o vip.Object, ours bool) error {
	k.mu.Lock()
	refuse := k.refuse
	k.mu.Unlock()
	if refuse != nil {
		if err := refuse(o); err != nil {
			return err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	id := o.Identity()
	if err := k.failing[id]; err != nil {
		return err
	}
	if err := k.reachable(o); err != nil {
		return err
	}
	if to, ok := k.moved[id]; ok { // not in two places
		delete(k.moved, id)
		if e := k.objects[to]; e != nil {
			k.drop(to, e)
		}
	}
	if k.objects[id] != nil {
		return fmt.Errorf("%s: %w", o, syscall.EEXIST)
	}
	if k.objects == nil {
		k.objects = map[vip.Object]*entry{}
	}
	e := &entry{object: o, ours: ours && k.marks(o)}
	k.objects[id] = e
	if m, ok := o.(vip.Macvlan); ok {
		k.links[m.Name] = true
	}
	k.lease(e)
	return nil
}

// marks says whether the kernel keeps the mark of an object.
func (k *Kernel) marks(o vip.Object) bool {
	_, ok := o.(vip.Address)
	return !ok || !k.Markless
}

// lease arms the end of an address; the kernel counts whole seconds.
func (k *Kernel) lease(e *entry) {
	if e.timer != nil {
		e.timer.Stop()
		e.timer, e.until = nil, time.Time{}
	}
	a, ok := e.object.(vip.Address)
	if !ok || a.Lease == 0 {
		return
	}
	d := (a.Lease + time.Second - 1).Truncate(time.Second)
	e.until = time.Now().Add(d)
	e.timer = time.AfterFunc(d, func() { k.expire(e) })
}

func (k *Kernel) expire(e *entry) {
	k.mu.Lock()
	id := e.object.Identity()
	if k.objects[id] != e || e.until.IsZero() || time.Now().Before(e.until) {
		k.mu.Unlock()
		return // renewed or removed meanwhile
	}
	k.drop(id, e)
	report := k.reporter()
	k.mu.Unlock()
	a := e.object.(vip.Address)
	report(vip.Change{Link: a.Link, Address: a.Prefix.Addr()})
}

func (k *Kernel) drop(id vip.Object, e *entry) {
	if e.timer != nil {
		e.timer.Stop()
	}
	delete(k.objects, id)
	if m, ok := id.(vip.Macvlan); ok {
		delete(k.links, m.Name)
		k.clear(m.Name, func(vip.Change) {})
	}
}

// Renew implements vip.Kernel.
func (k *Kernel) Renew(a vip.Address) error {
	k.mu.Lock()
	e := k.objects[a.Identity()]
	if e == nil {
		k.mu.Unlock()
		return k.add(a, true)
	}
	defer k.mu.Unlock()
	have := e.object.(vip.Address)
	have.Lease = a.Lease
	e.object, e.ours = have, k.marks(have)
	k.lease(e)
	return nil
}

// Remove implements vip.Kernel.
func (k *Kernel) Remove(o vip.Object) error {
	k.mu.Lock()
	id := o.Identity()
	if to, ok := k.moved[id]; ok {
		id = to
	}
	e := k.objects[id]
	if e == nil {
		k.mu.Unlock()
		return fmt.Errorf("%s: %w", o, syscall.ENOENT)
	}
	k.drop(id, e)
	report := k.reporter()
	k.mu.Unlock()
	switch o := o.(type) {
	case vip.Address:
		report(vip.Change{Link: o.Link, Address: o.Prefix.Addr()})
	case vip.Macvlan:
		report(vip.Change{Link: o.Name})
	case vip.LocalRoute, vip.Route, vip.Rule:
		report(vip.Change{Routing: true})
	}
	return nil
}

// Look implements vip.Kernel.
func (k *Kernel) Look(objects []vip.Object) ([]vip.Sight, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	seen := make([]vip.Sight, len(objects))
	for i, o := range objects {
		e := k.objects[o.Identity()]
		switch {
		case e == nil:
			continue
		case !e.ours:
			seen[i] = vip.Foreign
		case e.object == o, sameAddress(e.object, o):
			seen[i] = vip.InPlace
		default:
			seen[i] = vip.Differs
		}
	}
	return seen, nil
}

// sameAddress says whether two addresses differ in nothing but what is left of their lease.
func sameAddress(a, b vip.Object) bool {
	x, ok1 := a.(vip.Address)
	y, ok2 := b.(vip.Address)
	x.Lease = y.Lease
	return ok1 && ok2 && x == y
}

// Addresses implements vip.Kernel.
func (k *Kernel) Addresses() ([]vip.Found, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []vip.Found
	for _, e := range k.objects {
		if a, ok := e.object.(vip.Address); ok {
			all = append(all, vip.Found{Address: a, Ours: e.ours, Leased: !e.until.IsZero()})
		}
	}
	slices.SortFunc(all, func(a, b vip.Found) int { return a.Address.Prefix.Addr().Compare(b.Address.Prefix.Addr()) })
	return all, nil
}

// Has reports whether any interface has the address.
func (k *Kernel) Has(a netip.Addr) bool {
	all, _ := k.Addresses()
	return slices.ContainsFunc(all, func(f vip.Found) bool { return f.Address.Prefix.Addr() == a })
}

// Prepare implements vip.Kernel.
func (k *Kernel) Prepare(link string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.links[link] {
		return fmt.Errorf("interface %s: %w", link, syscall.ENODEV)
	}
	return nil
}

// Warm implements vip.Kernel. Memory is warm.
func (k *Kernel) Warm() {}

// Announce implements vip.Kernel.
func (k *Kernel) Announce(a vip.Announcement) error {
	if err := k.Prepare(a.Link); err != nil {
		return err
	}
	if k.Announced != nil {
		k.Announced(a)
	}
	return nil
}

// Watch implements vip.Kernel.
func (k *Kernel) Watch(ctx context.Context, report func(vip.Change)) error {
	k.mu.Lock()
	if k.watchers == nil {
		k.watchers = map[int]func(vip.Change){}
	}
	id := k.next
	k.next++
	k.watchers[id] = report
	k.mu.Unlock()
	report(vip.Change{})
	<-ctx.Done()
	k.mu.Lock()
	delete(k.watchers, id)
	k.mu.Unlock()
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil
	}
	return ctx.Err()
}

// reporter tells all watchers of a change; it is taken under the lock and called without.
func (k *Kernel) reporter() func(vip.Change) {
	all := make([]func(vip.Change), 0, len(k.watchers))
	for _, w := range k.watchers {
		all = append(all, w)
	}
	return func(c vip.Change) {
		for _, w := range all {
			w(c)
		}
	}
}
