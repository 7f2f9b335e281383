package plan

import (
	"fmt"
	"strings"

	"usher/director/discover/engine"
)

// Source is a source of real servers, when it was asked for the plan.
type Source struct {
	VirtualServer string   `json:"virtual_server"`
	Name          string   `json:"name"`
	Servers       []string `json:"servers"`
	// Error says why it gave no answer; the servers are then those that it listed before.
	Error   string   `json:"error,omitempty"`
	Remarks []string `json:"remarks,omitempty"` // what is left out of its answer, and why
}

// String gives one line.
func (s Source) String() string {
	text := fmt.Sprintf("%s: %s: ", s.VirtualServer, s.Name)
	switch n := len(s.Servers); {
	case n == 0:
		text += "no server"
	case n <= 5:
		text += strings.Join(s.Servers, ", ")
	default:
		text += fmt.Sprintf("%s and %d more", strings.Join(s.Servers[:4], ", "), n-4)
	}
	if s.Error != "" {
		text += " (of before, for it gives no answer: " + s.Error + ")"
	}
	for _, r := range s.Remarks {
		text += "; " + r
	}
	return text
}

// AddDiscovered adds what sources said.
func (p *Plan) AddDiscovered(o *engine.Once) {
	for _, s := range o.Status() {
		out := Source{VirtualServer: s.VirtualServer, Name: s.Source.Name, Servers: []string{}}
		for _, r := range o.Servers(s.VirtualServer) {
			if o.Of(s.VirtualServer, r) == s.Source.Name {
				out.Servers = append(out.Servers, r.Address.String())
			}
		}
		if s.Failure != nil {
			out.Error = s.Failure.Text
		}
		if n := len(s.Held); n > 0 {
			out.Remarks = append(out.Remarks, fmt.Sprintf("%d that it no longer lists stay until the next answer (max_leave)", n))
		}
		for _, i := range s.Ignored {
			out.Remarks = append(out.Remarks, fmt.Sprintf("%s is left out: %s", i.Entry, i.Why))
		}
		p.Discovered = append(p.Discovered, out)
	}
}
