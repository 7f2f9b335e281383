package announce

import "strings"

// Require says how many of the virtual servers of an announcement have to serve.
type Require string

// The two ways.
const (
	RequireAll Require = "all"
	RequireAny Require = "any"
)

// Pool is one virtual server as an announcement sees it.
type Pool struct {
	Name   string
	Table  bool // the kernel has all its services
	Probed bool // each checked server has had its first verdict
	Serves bool // quorum is there, or sorry servers answer
}

// Judge says whether pools are as required: all their services in the kernel in any case,
// since the routers send for all of them. lacking names those that do not serve. No pool at
// all is never enough.
func Judge(require Require, pools []Pool) (table, probed, quorum bool, lacking []string) {
	table, probed = len(pools) > 0, true
	some := false
	for _, p := range pools {
		table, probed, some = table && p.Table, probed && p.Probed, some || p.Serves
		if !p.Serves {
			lacking = append(lacking, p.Name)
		}
	}
	if require == RequireAny { // the others may take their time
		return table, probed || some, some, lacking
	}
	return table, probed, len(pools) > 0 && len(lacking) == 0, lacking
}

// Detail adds to a reason what it is about: names of virtual servers, interfaces.
func Detail(r Reason, names []string) string {
	if len(names) == 0 {
		return r.Text()
	}
	return r.Text() + ": " + strings.Join(names, ", ")
}
