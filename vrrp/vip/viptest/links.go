package viptest

import (
	"fmt"
	"strings"
	"syscall"

	"usher/vrrp/vip"
)

// needs is the interface without which an object cannot be; "" for none.
func needs(o vip.Object) string {
	switch o := o.(type) {
	case vip.Address:
		return o.Link
	case vip.LocalRoute:
		return o.Link
	case vip.Route:
		return o.Link
	case vip.Macvlan:
		return o.Parent
	case vip.Up:
		return o.Link
	case vip.Sysctl:
		if part := strings.Split(o.Key, "/"); len(part) == 5 && part[2] == "conf" {
			return part[3]
		}
	}
	return ""
}

// reachable says whether the interface of an object is there; k is locked.
func (k *Kernel) reachable(o vip.Object) error {
	if link := needs(o); link != "" && !k.links[link] {
		return fmt.Errorf("%s: %w", o, syscall.ENODEV)
	}
	return nil
}

// clear removes everything that needs an interface which is gone; k is locked.
func (k *Kernel) clear(link string, report func(vip.Change)) {
	for id, e := range k.objects {
		if needs(e.object) != link {
			continue
		}
		k.drop(id, e)
		if a, ok := id.(vip.Address); ok {
			report(vip.Change{Link: link, Address: a.Prefix.Addr()})
		}
	}
}

// Rename gives an interface another name; its addresses go with it.
func (k *Kernel) Rename(from, to string) {
	k.mu.Lock()
	delete(k.links, from)
	k.links[to] = true
	if k.moved == nil {
		k.moved = map[vip.Object]vip.Object{}
	}
	for id, e := range k.objects {
		if a, ok := e.object.(vip.Address); ok && a.Link == from {
			a.Link = to
			e.object = a
			delete(k.objects, id)
			k.objects[a.Identity()] = e
			k.moved[id] = a.Identity()
		}
	}
	report := k.reporter()
	k.mu.Unlock()
	report(vip.Change{Link: from})
	report(vip.Change{Link: to})
}

// Spoil makes of an object that is there one of other attributes, as somebody else does.
func (k *Kernel) Spoil(o vip.Object) {
	k.mu.Lock()
	id := o.Identity()
	e := k.objects[id]
	var c vip.Change
	switch o := o.(type) {
	case vip.Address, vip.LocalRoute, vip.Rule, vip.Up:
		k.drop(id, e) // these have none, or lose themselves with them
		switch o := o.(type) {
		case vip.Address:
			c = vip.Change{Link: o.Link, Address: o.Prefix.Addr()}
		case vip.Up:
			c = vip.Change{Link: o.Link, Down: true}
		default:
			c = vip.Change{Routing: true}
		}
	case vip.Route:
		o.MTU = 1280
		e.object = o
	case vip.Macvlan:
		o.MAC = [6]byte{2, 0, 0, 0, 0, 9}
		e.object, c = o, vip.Change{Link: o.Name}
	case vip.Sysctl:
		o.Value += "0"
		e.object = o
	case vip.Drop:
		o.Addresses = ""
		e.object = o
	}
	report := k.reporter()
	k.mu.Unlock()
	if c != (vip.Change{}) {
		report(c)
	}
}

// Unmark gives an address its attributes anew, as somebody else does: without a mark and
// without a lease.
func (k *Kernel) Unmark(a vip.Address) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.objects[a.Identity()]
	a.Lease = 0
	e.object, e.ours = a, false
	k.lease(e)
}

// Objects gives everything that is there, addresses too, in no order.
func (k *Kernel) Objects() (all []vip.Object) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range k.objects {
		all = append(all, e.object)
	}
	return all
}
