package holdtest

import (
	"fmt"
	"strings"
	"syscall"

	"usher/vrrp/hold"
)

// needs is the interface without which an object cannot be; "" for none.
func needs(o hold.Object) string {
	switch o := o.(type) {
	case hold.Address:
		return o.Link
	case hold.LocalRoute:
		return o.Link
	case hold.Route:
		return o.Link
	case hold.Macvlan:
		return o.Parent
	case hold.Up:
		return o.Link
	case hold.Sysctl:
		if part := strings.Split(o.Key, "/"); len(part) == 5 && part[2] == "conf" {
			return part[3]
		}
	}
	return ""
}

// reachable says whether the interface of an object is there; k is locked.
func (k *Kernel) reachable(o hold.Object) error {
	if link := needs(o); link != "" && !k.links[link] {
		return fmt.Errorf("%s: %w", o, syscall.ENODEV)
	}
	return nil
}

// clear removes everything that needs an interface which is gone; k is locked.
func (k *Kernel) clear(link string, report func(hold.Change)) {
	for id, e := range k.objects {
		if needs(e.object) != link {
			continue
		}
		k.drop(id, e)
		if a, ok := id.(hold.Address); ok {
			report(hold.Change{Link: link, Address: a.Prefix.Addr()})
		}
	}
}

// Rename gives an interface another name; its addresses go with it.
func (k *Kernel) Rename(from, to string) {
	k.mu.Lock()
	delete(k.links, from)
	k.links[to] = true
	if k.moved == nil {
		k.moved = map[hold.Object]hold.Object{}
	}
	for id, e := range k.objects {
		if a, ok := e.object.(hold.Address); ok && a.Link == from {
			a.Link = to
			e.object = a
			delete(k.objects, id)
			k.objects[a.Identity()] = e
			k.moved[id] = a.Identity()
		}
	}
	report := k.reporter()
	k.mu.Unlock()
	report(hold.Change{Link: from})
	report(hold.Change{Link: to})
}

// Spoil makes of an object that is there one of other attributes, as somebody else does.
func (k *Kernel) Spoil(o hold.Object) {
	k.mu.Lock()
	id := o.Identity()
	e := k.objects[id]
	var c hold.Change
	switch o := o.(type) {
	case hold.Address, hold.LocalRoute, hold.Rule, hold.Up:
		k.drop(id, e) // these have none, or lose themselves with them
		switch o := o.(type) {
		case hold.Address:
			c = hold.Change{Link: o.Link, Address: o.Prefix.Addr()}
		case hold.Up:
			c = hold.Change{Link: o.Link, Down: true}
		default:
			c = hold.Change{Routing: true}
		}
	case hold.Route:
		o.MTU = 1280
		e.object = o
	case hold.Macvlan:
		o.MAC = [6]byte{2, 0, 0, 0, 0, 9}
		e.object, c = o, hold.Change{Link: o.Name}
	case hold.Sysctl:
		o.Value += "0"
		e.object = o
	case hold.Drop:
		o.Addresses = ""
		e.object = o
	}
	report := k.reporter()
	k.mu.Unlock()
	if c != (hold.Change{}) {
		report(c)
	}
}

// Unmark gives an address its attributes anew, as somebody else does: without a mark and
// without a lease.
func (k *Kernel) Unmark(a hold.Address) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.objects[a.Identity()]
	a.Lease = 0
	e.object, e.ours = a, false
	k.lease(e)
}

// Objects gives everything that is there, addresses too, in no order.
func (k *Kernel) Objects() (all []hold.Object) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range k.objects {
		all = append(all, e.object)
	}
	return all
}
