package hold

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"usher/vrrp"
)

// plan is an instance's configuration as its keeper works on it: what to hold,
// in order, and what to announce.
type plan struct {
	objects  []Object // while active, in the order in which they are added
	notices  []notice // one for each address, in the same order
	links    []string // interfaces that send announcements
	lease    time.Duration
	announce vrrp.Announce
}

// notice is the announcement of one object.
type notice struct {
	of Object // its identity
	Announcement
}

// scopes are the words of the configuration.
var scopes = map[string]uint8{"": 0, "global": 0, "site": 200, "link": 253, "host": 254}

func newPlan(c vrrp.Config) (plan, error) {
	p := plan{lease: c.Lease, announce: c.Announce}
	p.announce.Repeat = max(1, p.announce.Repeat)
	for _, a := range c.Addresses {
		obj, err := addressOf(c, a)
		if err != nil {
			return plan{}, err
		}
		p.objects = append(p.objects, obj)
		p.notices = append(p.notices, notice{obj.Identity(), Announcement{Link: obj.Link, Address: obj.Prefix.Addr()}})
		if !slices.Contains(p.links, obj.Link) {
			p.links = append(p.links, obj.Link)
		}
	}
	return p, nil
}

// addressOf gives a virtual address as the kernel is to hold it.
func addressOf(c vrrp.Config, a vrrp.Address) (Address, error) {
	scope, ok := scopes[a.Scope]
	if !ok {
		return Address{}, fmt.Errorf("address %s: unknown scope %q", a.Prefix, a.Scope)
	}
	link := a.Interface
	if link == "" {
		link = c.Interface
	}
	return Address{Link: link, Prefix: netip.PrefixFrom(a.Prefix.Addr().Unmap(), a.Prefix.Bits()), Label: a.Label, Scope: scope, Lease: c.Lease}, nil
}

// concerned says whether a change touches what the plan holds.
func (p plan) concerned(c Change) bool {
	for _, o := range p.objects {
		if a, ok := o.(Address); ok && a.Link == c.Link && (!c.Address.IsValid() || a.Prefix.Addr() == c.Address) {
			return true
		}
	}
	return false
}
