// Package plan says what a configuration would change: in IPVS as the director
// plans it, in VRRP instances and in addresses by comparing configurations. It
// changes nothing.
package plan

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"usher/conf"
	"usher/director"
	"usher/vrrp"
)

// Plan is everything that a run or reload would change.
type Plan struct {
	IPVS      director.PlanReport `json:"ipvs"`
	VRRP      []Change            `json:"vrrp"`
	Addresses []Change            `json:"addresses"`
	// Announcements are what changes of what is announced by BGP, and to whom: absent where
	// nothing does. Instance is the announcement or the peer.
	Announcements []Change `json:"announcements,omitempty"`
	// Problems are what would keep an instance from becoming active on this machine.
	Problems []Problem `json:"problems"`
	// Warnings are what would part this director from its peers, or has it answer for
	// addresses whoever is active.
	Warnings []Warning `json:"warnings,omitempty"`
	// Discovered is what the sources of real servers list now: what the rest is made with.
	Discovered []Source `json:"discovered,omitempty"`
}

// Change is one line about an instance, a sync group or an address.
type Change struct {
	Action   director.Action `json:"action"` // add, edit or remove
	Kind     string          `json:"kind"`   // instance, group or address
	Instance string          `json:"instance"`
	Object   string          `json:"object,omitempty"` // the address
	// Keys are what differs in an edited instance, by the names of the configuration.
	Keys []string `json:"keys,omitempty"`
	// Values are those of such keys before and after that fit in a line and are no secrets.
	Values map[string]Values `json:"values,omitempty"`
	// Effect is what that does to the instance: "" where it goes on as it was.
	Effect string `json:"effect,omitempty"`
	// Drops is set where an address that may be in use goes away, or may be on two directors.
	Drops bool `json:"drops_connections"`
}

// Values are what a key was and what it would be.
type Values struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Empty tells whether nothing would change.
func (p Plan) Empty() bool {
	return p.IPVS.Empty() && len(p.VRRP) == 0 && len(p.Addresses) == 0 && len(p.Announcements) == 0
}

// Drops counts the changes that lose connections.
func (p Plan) Drops() int {
	n := p.IPVS.Drops()
	for _, c := range slices.Concat(p.VRRP, p.Addresses, p.Announcements) {
		if c.Drops {
			n++
		}
	}
	return n
}

// String gives the readable difference.
func (p Plan) String() string {
	var b strings.Builder
	if len(p.Problems) > 0 {
		b.WriteString("Problems\n")
	}
	for _, c := range p.Problems {
		b.WriteString("  " + c.String() + "\n")
	}
	if len(p.Warnings) > 0 {
		b.WriteString("Warnings\n")
	}
	for _, w := range p.Warnings {
		b.WriteString("  " + w.String() + "\n")
	}
	if len(p.Discovered) > 0 {
		b.WriteString("Discovered\n")
	}
	for _, s := range p.Discovered {
		b.WriteString("  " + s.String() + "\n")
	}
	if p.Empty() {
		return b.String() + "No change.\n"
	}
	if !p.IPVS.Empty() {
		b.WriteString("IPVS\n" + indent(p.IPVS.String()))
	}
	for _, part := range []struct {
		title string
		list  []Change
	}{{"VRRP", p.VRRP}, {"Addresses", p.Addresses}, {"Announcements", p.Announcements}} {
		if len(part.list) > 0 {
			b.WriteString(part.title + "\n")
		}
		for _, c := range part.list {
			b.WriteString("  " + c.String() + "\n")
		}
	}
	changes := len(p.IPVS.Changes) + len(p.VRRP) + len(p.Addresses) + len(p.Announcements)
	fmt.Fprintf(&b, "\n%d to change, %d of them drop connections.\n", changes, p.Drops())
	return b.String()
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("  " + line)
	}
	return b.String()
}

// String gives one line.
func (c Change) String() string {
	sign := map[director.Action]string{director.ActionAdd: "+", director.ActionEdit: "~", director.ActionRemove: "-"}[c.Action]
	text := fmt.Sprintf("%s %s %s", sign, c.Kind, c.Instance)
	if c.Object != "" {
		text = fmt.Sprintf("%s %s (%s)", sign, c.Object, c.Instance)
	}
	for i, key := range c.Keys {
		text += map[bool]string{true: ": ", false: ", "}[i == 0] + key
		if v, ok := c.Values[key]; ok {
			text += " " + cmp.Or(v.From, "not given") + " -> " + cmp.Or(v.To, "not given")
		}
	}
	if c.Effect != "" {
		text += "; " + c.Effect
	}
	if c.Drops {
		text += " ! drops connections while this director is active"
	}
	return text
}

// Planner says what the kernel would see of a configuration: the director's engine.
type Planner interface {
	Plan(ctx context.Context, servers []director.VirtualServer) (director.PlanReport, error)
	PlanSettings(servers []director.VirtualServer, s director.Settings) ([]director.Change, error)
}

// AddIPVS adds what want changes in IPVS and the kernel's settings.
func (p *Plan) AddIPVS(ctx context.Context, d Planner, want *conf.Config) error {
	report, err := d.Plan(ctx, want.Pools())
	if err != nil {
		return err
	}
	settings, err := d.PlanSettings(want.Pools(), want.DirectorSettings())
	p.IPVS.Changes = slices.Concat([]director.Change{}, settings, report.Changes)
	return err
}

// Compare gives the changes from one configuration to another; from is nil where
// nothing runs. IPVS is the director's to add.
func Compare(want, from *conf.Config) Plan {
	if from == nil {
		from = &conf.Config{}
	}
	p := Plan{IPVS: director.PlanReport{Changes: []director.Change{}}, VRRP: []Change{}, Addresses: []Change{}, Problems: []Problem{}}
	olds := map[string]vrrp.Config{}
	for _, i := range from.Instances {
		olds[i.Name] = i.Config
	}
	for _, i := range want.Instances {
		old, known := olds[i.Name]
		delete(olds, i.Name)
		if !known {
			p.VRRP = append(p.VRRP, Change{Action: director.ActionAdd, Kind: "instance", Instance: i.Name})
		} else if changes := vrrp.Changes(old, i.Config); len(changes) > 0 {
			p.VRRP = append(p.VRRP, edited(i.Name, changes))
		}
		p.addresses(i.Name, old, i.Config)
	}
	for _, i := range from.Instances {
		if old, gone := olds[i.Name]; gone {
			p.VRRP = append(p.VRRP, Change{Action: director.ActionRemove, Kind: "instance", Instance: i.Name})
			p.addresses(i.Name, old, vrrp.Config{})
		}
	}
	p.groups(want, from)
	p.announcements(want, from)
	return p
}

// edited is the line of an instance that stays: its keys that differ, and the worst that
// a change of one does.
func edited(name string, changes []vrrp.KeyChange) Change {
	c := Change{Action: director.ActionEdit, Kind: "instance", Instance: name}
	worst := vrrp.Quiet
	for _, k := range changes {
		c.Keys = append(c.Keys, k.Key)
		if k.From != k.To {
			if c.Values == nil {
				c.Values = map[string]Values{}
			}
			c.Values[k.Key] = Values{k.From, k.To}
		}
		worst = max(worst, k.Effect)
	}
	c.Effect, c.Drops = worst.String(), worst.Drops()
	return c
}

func (p *Plan) addresses(instance string, from, to vrrp.Config) {
	had, has := places(from), places(to)
	for _, a := range has {
		if !slices.Contains(had, a) {
			p.Addresses = append(p.Addresses, Change{Action: director.ActionAdd, Kind: "address", Instance: instance, Object: a})
		}
	}
	for _, a := range had {
		if !slices.Contains(has, a) {
			p.Addresses = append(p.Addresses, Change{Action: director.ActionRemove, Kind: "address", Instance: instance, Object: a, Drops: true})
		}
	}
}

// places writes each address of an instance with the interface that it is on.
func places(c vrrp.Config) []string {
	var all []string
	for _, a := range c.Addresses {
		dev := a.Interface
		if dev == "" {
			dev = c.Interface
		}
		all = append(all, a.Prefix.String()+" dev "+dev)
	}
	return all
}

func (p *Plan) groups(want, from *conf.Config) {
	olds := map[string]vrrp.Group{}
	for _, g := range from.Groups {
		olds[g.Name] = g.Group
	}
	for _, g := range want.Groups {
		old, known := olds[g.Name]
		delete(olds, g.Name)
		switch {
		case !known:
			p.VRRP = append(p.VRRP, Change{Action: director.ActionAdd, Kind: "group", Instance: g.Name})
		case !reflect.DeepEqual(old, g.Group):
			p.VRRP = append(p.VRRP, Change{Action: director.ActionEdit, Kind: "group", Instance: g.Name, Keys: []string{"instances"}})
		}
	}
	for _, g := range from.Groups {
		if _, gone := olds[g.Name]; gone {
			p.VRRP = append(p.VRRP, Change{Action: director.ActionRemove, Kind: "group", Instance: g.Name})
		}
	}
}
