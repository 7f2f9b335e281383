package engine

import (
	"fmt"
	"slices"
	"time"

	"usher/vrrp"
)

// group is a sync group: all its members are Active, or none.
type group struct {
	name    string
	members []*instance
	state   vrrp.State
}

// regroup makes the groups anew, keeping the state of those that were there.
func (e *Engine) regroup(want []vrrp.Group) {
	old := e.groups
	e.groups = nil
	for _, in := range e.instances {
		in.group = nil
	}
	for _, w := range want {
		g := &group{name: w.Name}
		if i := slices.IndexFunc(old, func(o *group) bool { return o.name == w.Name }); i >= 0 {
			g.state = old[i].state
		}
		for _, name := range w.Instances {
			if in := e.instance(name); in != nil && in.group == nil {
				in.group = g
				g.members = append(g.members, in)
			}
		}
		e.groups = append(e.groups, g)
	}
}

// siblings gives all instances that share this one's fate, itself among them.
func (in *instance) siblings() []*instance {
	if in.group == nil {
		return []*instance{in}
	}
	return in.group.members
}

// groupWants takes over for a whole group once no member has any other router
// to listen to.
func (e *Engine) groupWants(now time.Time, g *group) {
	for _, in := range g.members {
		if !in.wants && in.m.State() != vrrp.Active {
			return
		}
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
	count := map[vrrp.State]int{}
	for _, in := range g.members {
		count[in.m.State()]++
	}
	state := vrrp.Backup
	switch {
	case count[vrrp.Active] == len(g.members):
		state = vrrp.Active
	case count[vrrp.Fault] > 0:
		state = vrrp.Fault
	case count[vrrp.Initialize] == len(g.members):
		state = vrrp.Initialize
	}
	if state == g.state {
		return
	}
	from := g.state
	g.state = state
	ports.Event(vrrp.Event{Time: now, Group: g.name, Kind: vrrp.EventState, From: from, To: state, Reason: reason})
}
