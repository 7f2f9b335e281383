package engine

import (
	"net/netip"
	"slices"
	"time"

	"usher/vrrp"
)

// Engine is a set of virtual routers on one machine.
type Engine struct {
	ports       Ports
	will        func(instance string, resignation []Outgoing)
	origin      time.Time // machines count from here
	instances   []*instance
	owners      map[netip.Addr][]*instance // by virtual address
	elsewhere   map[string][]vrrp.Elsewhere
	groups      []*group
	links       map[string]Link
	deaf        map[unheard]string
	unheld      map[string]string  // by instance: what it should hold and cannot
	told        map[placed]telling // source addresses that were announced, and with which MAC address
	limits      limiter
	wall        func(time.Time) time.Time
	stamps      Stamps
	maintenance bool
	closed      bool
}

// New gives an engine without instances.
func New(o Options) *Engine {
	return &Engine{ports: o.Ports, will: o.Will, wall: o.Clock, stamps: o.Stamps, links: map[string]Link{}, deaf: map[unheard]string{}, unheld: map[string]string{}, limits: limiter{last: map[limit]time.Time{}}}
}

// since is the machines' time: monotonic, from the first call on.
func (e *Engine) since(now time.Time) time.Duration {
	if e.origin.IsZero() {
		e.origin = now
	}
	return now.Sub(e.origin)
}

// clock is the time of day.
func (e *Engine) clock(now time.Time) time.Time {
	if e.wall == nil {
		return now
	}
	return e.wall(now)
}

func (e *Engine) instance(name string) *instance {
	for _, in := range e.instances {
		if in.cfg.Name == name {
			return in
		}
	}
	return nil
}

// Apply makes d what runs. Instances that d has unchanged are not touched; one
// whose change needs no new election keeps its state; one that is gone, or has
// become another virtual router, resigns first.
func (e *Engine) Apply(now time.Time, d vrrp.Desired) {
	if e.closed {
		return
	}
	var kept []*instance
	for _, cfg := range d.Instances {
		in := e.instance(cfg.Name)
		if in == nil || !vrrp.SameRouter(in.cfg, cfg) {
			was := in
			if in = newInstance(cfg); was != nil {
				in.auth = was.auth // what was sent before must not be taken anew
			}
		}
		kept = append(kept, in)
	}
	for _, in := range e.instances {
		if !slices.Contains(kept, in) {
			in.group = nil // the others of its group need not follow it
			e.step(now, in, vrrp.Input{Kind: vrrp.StepStop}, "removed from the configuration")
		}
	}
	e.instances = kept
	for i, in := range kept {
		if at, ok := d.Resigned[d.Instances[i].Name]; ok && in.m.State() == vrrp.Initialize {
			in.resignedAt = at
		}
		e.reconfigure(now, in, d.Instances[i])
	}
	e.findOwners()
	e.findElsewhere(now)
	e.regroup(d.Groups) // after reconfigure, which gives new instances their names
	e.evaluateAll(now)
	for _, g := range e.groups {
		g.report(now, e.ports, "configured")
	}
}

// Link tells of an interface that came, went or changed.
func (e *Engine) Link(now time.Time, l Link) { e.Links(now, []Link{l}) }

// Links tells of several interfaces at once: a rename is two changes.
func (e *Engine) Links(now time.Time, changed []Link) {
	for _, l := range changed {
		if l.Gone {
			delete(e.links, l.Name)
		} else {
			e.links[l.Name] = l
		}
	}
	e.findElsewhere(now)
	e.evaluateAll(now)
}

// Deaf tells that a socket could not be opened and why, or with an empty reason
// that it could. An instance that cannot hear its peers is in fault.
func (e *Engine) Deaf(now time.Time, s Socket, reason string) {
	key := unheard{s.Interface, s.V6}
	if e.deaf[key] == reason {
		return
	}
	delete(e.deaf, key)
	if reason != "" {
		e.deaf[key] = reason
	}
	e.evaluateAll(now)
}

// Unheld tells that an instance cannot hold something that belongs to it, and why,
// or with an empty reason that it can hold everything. While it cannot it is in fault,
// with its sync group: it must not advertise addresses that nobody can reach here, and
// a peer may be able to hold them.
func (e *Engine) Unheld(now time.Time, name, reason string) {
	if reason != "" {
		reason = "cannot hold what belongs to it: " + reason
	}
	if e.unheld[name] == reason {
		return
	}
	delete(e.unheld, name)
	if reason != "" {
		e.unheld[name] = reason
	}
	e.evaluateAll(now)
}

// unheard is an interface on which a family cannot be heard.
type unheard struct {
	link string
	v6   bool
}

// Track tells the present say of one of an instance's tracks. Tracks of interfaces
// are the engine's own matter.
func (e *Engine) Track(now time.Time, name, key string, a vrrp.Adjustment) {
	in := e.instance(name)
	if in == nil || e.closed {
		return
	}
	if _, tracked := in.adjustments[key]; !tracked {
		return // a late word on a track that a reload took away
	}
	in.adjustments[key] = a
	delete(in.pending, key)
	e.evaluateAll(now)
}

// Witness tells whether an instance's second opinion says that this machine is
// still part of the network.
func (e *Engine) Witness(now time.Time, name string, reachable bool) {
	in := e.instance(name)
	if in == nil || in.cfg.Witness == nil {
		return
	}
	in.witnessed = reachable
	if reachable {
		e.release(now, in, "the witness answers again")
	}
}

// release ends a takeover's being withheld.
func (e *Engine) release(now time.Time, in *instance, reason string) {
	if in.withheld {
		in.withheld = false
		e.event(now, in, vrrp.EventWitnessEnd, reason)
	}
}

// Shutdown makes all instances resign and drop their addresses, for good.
func (e *Engine) Shutdown(now time.Time) {
	e.closed = true
	for _, in := range e.instances {
		e.step(now, in, vrrp.Input{Kind: vrrp.StepStop}, "shut down")
		in.disagreements = nil
	}
}

// Deadline is when Expire is to be called next; ok is false where nothing waits.
func (e *Engine) Deadline() (at time.Time, ok bool) {
	first, ok := e.linkDue()
	if due, waits := e.agreeDue(); waits && (!ok || due < first) {
		first, ok = due, true
	}
	for _, in := range e.instances {
		if t, armed := in.m.Timer(); armed && !in.wants && (!ok || t < first) {
			first, ok = t, true
		}
	}
	return e.origin.Add(first), ok
}

// Urgent says whether the next deadline is one that a backup router takes over at,
// which is worth spinning for.
func (e *Engine) Urgent(at time.Time) bool {
	due := at.Sub(e.origin)
	for _, in := range e.instances {
		if t, armed := in.m.Timer(); armed && !in.wants && t <= due && in.m.State() == vrrp.Backup {
			return true
		}
	}
	return false
}

// Expire steps every instance whose timer has run out. All that was received has
// to be given to Receive before.
func (e *Engine) Expire(now time.Time) {
	at := e.since(now)
	if due, ok := e.linkDue(); ok && due <= at {
		e.evaluateAll(now)
	}
	for _, in := range e.instances {
		e.agree(now, in)
		if t, armed := in.m.Timer(); armed && !in.wants && t <= at && !e.deafened(now, in) {
			e.expire(now, in, at-t)
		}
	}
	e.remindOfSources(now)
}
