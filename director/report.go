package director

import (
	"fmt"
	"net/netip"
	"strings"

	"usher/director/ipvs"
)

// Action is what a change does to its object.
type Action string

// The actions.
const (
	ActionAdd    Action = "add"
	ActionEdit   Action = "edit"
	ActionRemove Action = "remove"
	ActionDrain  Action = "drain" // weight 0, removed when its connections are gone
)

// Change is one line of a PlanReport.
type Change struct {
	Action        Action         `json:"action"`
	Kind          string         `json:"kind"` // service, real_server, sorry_server, fullnat, setting
	VirtualServer string         `json:"virtual_server,omitempty"`
	Service       string         `json:"service,omitempty"` // as in "tcp 192.0.2.1:80"
	RealServer    netip.AddrPort `json:"real_server,omitzero"`
	Before        string         `json:"before,omitempty"`
	After         string         `json:"after,omitempty"`
	// Checked is set for a server that comes in only once its checks pass.
	Checked bool `json:"once_checks_pass,omitempty"`
	// Drops is set where established connections are lost, Connections says how
	// many there are at this moment.
	Drops       bool   `json:"drops_connections"`
	Connections uint64 `json:"connections"`
	Reason      string `json:"reason,omitempty"`

	key ipvs.ServiceKey // what sorts a report
}

// PlanReport is what Apply would change, sorted by service.
type PlanReport struct {
	Changes []Change `json:"changes"`
}

// Empty tells whether nothing would change.
func (r PlanReport) Empty() bool { return len(r.Changes) == 0 }

// Drops counts the changes that lose connections.
func (r PlanReport) Drops() int {
	n := 0
	for _, c := range r.Changes {
		if c.Drops {
			n++
		}
	}
	return n
}

// String gives the readable difference, a line for each change.
func (r PlanReport) String() string {
	var b strings.Builder
	service := ""
	for _, c := range r.Changes {
		if title := strings.TrimSpace(c.VirtualServer + " " + c.Service); title != service {
			service = title
			fmt.Fprintf(&b, "%s\n", title)
		}
		fmt.Fprintf(&b, "  %s\n", c)
	}
	return b.String()
}

// String gives one line: a sign, the object, before and after, what it costs.
func (c Change) String() string {
	sign := map[Action]string{ActionAdd: "+", ActionEdit: "~", ActionRemove: "-", ActionDrain: "-"}[c.Action]
	parts := []string{sign, c.Kind}
	if c.RealServer.IsValid() {
		parts = append(parts, c.RealServer.String())
	}
	switch {
	case c.Before != "" && c.After != "":
		parts = append(parts, c.Before+" -> "+c.After)
	case c.Before != "":
		parts = append(parts, c.Before)
	case c.After != "":
		parts = append(parts, c.After)
	}
	if c.Reason != "" {
		parts = append(parts, "("+c.Reason+")")
	}
	if c.Checked {
		parts = append(parts, "(once its checks pass)")
	}
	if c.Drops {
		parts = append(parts, fmt.Sprintf("! drops connections (%d now)", c.Connections))
	}
	return strings.Join(parts, " ")
}
