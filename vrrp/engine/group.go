package engine

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"usher/vrrp"
)

// group is a sync group: all its members are Active, or none.
type group struct {
	name    string
	members []*instance
	state   vrrp.State
	// joining are members that were added while the group was active, and have not
	// been so themselves yet: their coming is no change of the group.
	joining map[*instance]bool
	// conceded is when this router last began to leave a group that was active on several.
	conceded time.Time
	rival    rivalry
}

// regroup makes the groups anew, keeping the state of those that were there.
func (e *Engine) regroup(want []vrrp.Group) {
	old := e.groups
	e.groups = nil
	for _, in := range e.instances {
		in.group = nil
	}
	for _, w := range want {
		g := &group{name: w.Name, joining: map[*instance]bool{}}
		var before *group
		if i := slices.IndexFunc(old, func(o *group) bool { return o.name == w.Name }); i >= 0 {
			before = old[i]
			g.state, g.conceded, g.rival = before.state, before.conceded, before.rival
		}
		for _, name := range w.Instances {
			if in := e.instance(name); in != nil && in.group == nil {
				in.group = g
				g.members = append(g.members, in)
				g.joining[in] = g.state == vrrp.Active && before.joins(in)
			}
		}
		e.groups = append(e.groups, g)
	}
}

// joins says whether an instance is new to a group that was active before.
func (g *group) joins(in *instance) bool {
	i := slices.IndexFunc(g.members, func(o *instance) bool { return o.cfg.Name == in.cfg.Name })
	return i < 0 || g.joining[g.members[i]]
}

// siblings gives all instances that share this one's fate, itself among them.
func (in *instance) siblings() []*instance {
	if in.group == nil {
		return []*instance{in}
	}
	return in.group.members
}

// groupWants takes over for a whole group once no member has any other router
// to listen to, of which last was found out last.
func (e *Engine) groupWants(now time.Time, g *group, last *instance) {
	for _, in := range g.members {
		if !in.wants && in.m.State() != vrrp.Active {
			return
		}
	}
	if g.defers(now) {
		e.step(now, last, vrrp.Input{Kind: vrrp.StepHesitate, Interval: last.m.AdvertInterval()}, "")
		return
	}
	for _, in := range g.members {
		if in.wants {
			in.wants = false
			e.takeOver(now, in)
		}
	}
}

// groupMoved carries a member's change of state to the others.
func (e *Engine) groupMoved(now time.Time, in *instance, from, to vrrp.State) {
	if in.group == nil {
		return
	}
	if from == vrrp.Active && !e.closed {
		for _, other := range in.group.members {
			if other != in && other.m.State() == vrrp.Active {
				e.step(now, other, vrrp.Input{Kind: vrrp.StepYield}, fmt.Sprintf("%s of its sync group is %s", in.cfg.Name, to))
			}
		}
	}
	in.group.report(now, e.ports, in.cfg.Name+": "+in.reason)
}

// report tells of a change of the group as a whole: Active with its last member,
// Fault with its first.
func (g *group) report(now time.Time, ports Ports, reason string) {
	counts := func(in *instance) bool {
		if s := in.m.State(); s == vrrp.Active || s == vrrp.Fault {
			delete(g.joining, in)
		}
		return !g.joining[in]
	}
	if !slices.ContainsFunc(g.members, counts) {
		clear(g.joining)
	}
	count := map[vrrp.State]int{}
	members := 0
	for _, in := range g.members {
		if counts(in) {
			members++
			count[in.m.State()]++
		}
	}
	state := vrrp.Backup
	switch {
	case members == 0:
		return
	case count[vrrp.Active] == members:
		state = vrrp.Active
	case count[vrrp.Fault] > 0:
		state = vrrp.Fault
	case count[vrrp.Initialize] == members:
		state = vrrp.Initialize
	}
	if state == g.state {
		return
	}
	from := g.state
	g.state = state
	if state != vrrp.Active {
		clear(g.joining)
	}
	ports.Event(vrrp.Event{Time: now, Group: g.name, Kind: vrrp.EventState, From: from, To: state, Reason: reason})
}

// claim is what a router that is active for members of a sync group can show for it:
// the best of their adverts. All routers know the same claims.
type claim struct {
	priority uint8
	address  netip.Addr
	vrid     uint8
}

func (c claim) compare(o claim) int {
	return cmp.Or(cmp.Compare(c.priority, o.priority), c.address.Compare(o.address), cmp.Compare(c.vrid, o.vrid))
}

// concedeAgain is how long a router waits that has tried to leave a group to another
// one in vain.
const concedeAgain = time.Minute

// unite ends it where a group is active on this router with some members, and on others
// with the rest, as after a reload that made the group of them: no election would
// ever move them, since each has an active router. The best claim stays. The others hand
// their members over, and then the best has no other router to listen to.
func (e *Engine) unite(now time.Time, g *group) {
	var here, elsewhere claim
	for _, in := range g.members {
		switch state := in.m.State(); {
		case state == vrrp.Active && !in.m.Leaving():
			if c := (claim{in.m.Priority(), in.ownSource(), in.cfg.VRID}); c.compare(here) > 0 {
				here = c
			}
		case state != vrrp.Backup:
			return
		case in.activeRouter(now).IsValid():
			if c := (claim{in.activePriority, in.active, in.cfg.VRID}); c.compare(elsewhere) > 0 {
				elsewhere = c
			}
		}
	}
	if e.closed || here == (claim{}) || elsewhere == (claim{}) || here.compare(elsewhere) >= 0 {
		return
	}
	if !g.conceded.IsZero() && now.Sub(g.conceded) < concedeAgain {
		return
	}
	g.conceded = now
	reason := fmt.Sprintf("sync group %s is active here and on %v, which stays with priority %d, here %d", g.name, elsewhere.address, elsewhere.priority, here.priority)
	for _, in := range g.members {
		if in.m.State() == vrrp.Active {
			e.event(now, in, vrrp.EventHandover, reason)
			e.leave(now, in, vrrp.StepConcede, reason)
		}
	}
}
