package keys_test

import (
	"context"
	"net/netip"
	"time"

	"usher/vrrp/engine"
	"usher/vrrp/vip"
)

// What a manager asks of its kernel goes through the router, which measures before and
// after each change where virtual addresses are.

// Add implements vip.Kernel.
func (r *router) Add(o vip.Object) error {
	r.p.pass()
	err := r.kernel.Add(o)
	if m, ok := o.(vip.Macvlan); ok && err == nil {
		r.do(func(now time.Time, e *engine.Engine) {
			e.Link(now, engine.Link{Name: m.Name, Index: 100 + int(m.MAC[5]), Up: true, MAC: m.MAC[:]})
		})
	}
	return err
}

// Remove implements vip.Kernel.
func (r *router) Remove(o vip.Object) error {
	r.p.pass()
	err := r.kernel.Remove(o)
	if m, ok := o.(vip.Macvlan); ok && err == nil {
		r.do(func(now time.Time, e *engine.Engine) { e.Link(now, engine.Link{Name: m.Name, Gone: true}) })
	}
	return err
}

// Renew implements vip.Kernel.
func (r *router) Renew(a vip.Address) error { r.p.pass(); return r.kernel.Renew(a) }

// Look implements vip.Kernel.
func (r *router) Look(objects []vip.Object) ([]vip.Sight, error) { return r.kernel.Look(objects) }

// Addresses implements vip.Kernel.
func (r *router) Addresses() ([]vip.Found, error) { return r.kernel.Addresses() }

// Prepare implements vip.Kernel.
func (r *router) Prepare(link string) error { return r.kernel.Prepare(link) }

// Warm implements vip.Kernel.
func (r *router) Warm() {}

// Watch implements vip.Kernel.
func (r *router) Watch(ctx context.Context, report func(vip.Change)) error {
	return r.kernel.Watch(ctx, func(c vip.Change) { r.p.pass(); report(c) })
}

// kernel is a router as vip.Kernel: Announce is a method of engine.Ports, too.
type kernel struct{ *router }

// Announce implements vip.Kernel.
func (k kernel) Announce(a vip.Announcement) error { return k.kernel.Announce(a) }

// holds are the virtual addresses that are on a router now.
func (r *router) holds() map[netip.Addr]bool {
	all := map[netip.Addr]bool{}
	for _, o := range r.kernel.Objects() {
		switch o := o.(type) {
		case vip.Address:
			all[o.Prefix.Addr()] = true
		case vip.LocalRoute:
			all[o.Address] = true
		}
	}
	return all
}

// pass adds the time since the last call to what was measured.
func (p *pair) pass() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	passed := now.Sub(p.last)
	if passed <= 0 {
		return
	}
	p.last = now
	here := [2]map[netip.Addr]bool{p.routers[0].holds(), p.routers[1].holds()}
	for a := range p.watched {
		switch {
		case !here[0][a] && !here[1][a]:
			p.none[a] += passed
		case here[0][a] && here[1][a]:
			p.several[a] += passed
		}
	}
}
