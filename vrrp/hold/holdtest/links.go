package holdtest

import (
	"fmt"
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

// Objects gives everything that is there, addresses too, in no order.
func (k *Kernel) Objects() (all []hold.Object) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range k.objects {
		all = append(all, e.object)
	}
	return all
}
