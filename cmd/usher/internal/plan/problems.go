package plan

import (
	"fmt"
	"slices"

	"usher/conf"
	"usher/vrrp"
)

// Problem is what would keep an instance in fault on this machine.
type Problem struct {
	Instance string `json:"instance"`
	Text     string `json:"text"`
}

// String gives one line.
func (p Problem) String() string {
	return fmt.Sprintf("! instance %s would be in fault: %s", p.Instance, p.Text)
}

// Here is what the plan looks at of this machine.
type Here struct {
	Interfaces []string
	Addresses  []vrrp.LocalAddress
	AnswersARP func(name string) bool // for addresses of other interfaces
}

// AddProblems adds what this machine has against the instances of a configuration:
// interfaces that are not there, and virtual addresses that it has already by
// somebody else's hand. Those on another interface, where the kernel answers for them, are
// warnings.
func (p *Plan) AddProblems(want *conf.Config, here Here) {
	for _, i := range want.Instances {
		for _, name := range i.Needs() {
			if !slices.Contains(here.Interfaces, name) {
				p.Problems = append(p.Problems, Problem{i.Name, fmt.Sprintf("interface %s is not there", name)})
			}
		}
		for _, a := range here.Addresses {
			if text := i.Foreign(a); text != "" {
				p.Problems = append(p.Problems, Problem{i.Name, text})
			}
			if on, there := i.Elsewhere(a); there && here.AnswersARP(on) {
				p.Warnings = append(p.Warnings, Warning{Instance: i.Name, Text: vrrp.ElsewhereText(a.Prefix.String(), a.Interface, on)})
			}
		}
	}
}
