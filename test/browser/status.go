package browser

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"usher/test/lab"
)

//go:embed shown.js
var shownScript string

// Same waits until the status page shows what the status says, which read gives as
// the JSON of /api/v1/status: director, instances, virtual servers and real servers
// with state, weight, connections, rates and checks. The page is a second behind at
// times, so both are looked at again until they agree.
func Same(t *testing.T, ctx context.Context, read func() ([]byte, error)) {
	t.Helper()
	err := lab.Until(t.Context(), "the page shows what the status says", func() error {
		text, err := read()
		if err != nil {
			return err
		}
		want, err := lines(text)
		if err != nil {
			return err
		}
		shown := Evaluate[string](t, ctx, shownScript)
		if have := strings.Split(shown, "\n"); !slices.Equal(have, want) {
			return fmt.Errorf("the page shows\n%s\nthe status says\n%s", shown, strings.Join(want, "\n"))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// director is what Same looks at.
type director struct {
	RouterID  string `json:"router_id"`
	Version   string
	Instances []struct {
		Name, State, Reason, Interface string
		ActiveRouter                   string `json:"active_router"`
		Addresses                      []string
		VirtualRouterID                int `json:"virtual_router_id"`
		Transitions                    int
	}
	VirtualServers []struct {
		Name, Address, Protocol, Scheduler string
		ForwardMethod                      string `json:"forward_method"`
		Up                                 bool
		Quorum                             int
		RealServers                        []server `json:"real_servers"`
		Counters                           counters
	} `json:"virtual_servers"`
}

type server struct {
	Address, State  string
	Weight          int
	EffectiveWeight int `json:"effective_weight"`
	Active          int `json:"active_connections"`
	Inactive        int `json:"inactive_connections"`
	Counters        counters
	Checks          []struct {
		Type, State string
		LastError   string `json:"last_error"`
	}
	Reason string
}

type counters struct {
	Connections int
	Rate        int `json:"connections_per_second"`
}

// lines writes a status as shown.js reads the page.
func lines(status []byte) ([]string, error) {
	var s director
	if err := json.Unmarshal(status, &s); err != nil {
		return nil, err
	}
	all := []string{fmt.Sprintf("director %s, usher %s", s.RouterID, s.Version)}
	for _, i := range s.Instances {
		all = append(all, fmt.Sprintf("instance %s %s: %s; %s; active router %s; %d on %s; %d transitions",
			i.Name, i.State, i.Reason, strings.Join(i.Addresses, " "), i.ActiveRouter, i.VirtualRouterID, i.Interface, i.Transitions))
	}
	for _, v := range s.VirtualServers {
		state, up, connections := "down", 0, 0
		if v.Up {
			state = "up"
		}
		var servers []string
		for _, r := range v.RealServers {
			if r.State == "up" {
				up++
			}
			connections += r.Active + r.Inactive
			servers = append(servers, r.line())
		}
		all = append(all, fmt.Sprintf("virtual server %s %s: %s %s, %s, %s; %d of %d up; %d connections; %d new / s; quorum %d; %d in all", v.Name, state,
			v.Protocol, v.Address, v.Scheduler, v.ForwardMethod, up, len(v.RealServers), connections, v.Counters.Rate, v.Quorum, v.Counters.Connections))
		all = append(all, servers...)
	}
	return all, nil
}

func (r server) line() string {
	weight := fmt.Sprint(r.Weight)
	if r.EffectiveWeight != r.Weight {
		weight = fmt.Sprintf("%d (%d configured)", r.EffectiveWeight, r.Weight)
	}
	var checks, faults []string
	for _, c := range r.Checks {
		checks = append(checks, c.Type+" "+c.State)
		if c.LastError != "" {
			faults = append(faults, c.LastError)
		}
	}
	reason := cmp.Or(r.Reason, strings.Join(faults, "; "))
	return fmt.Sprintf("real server %s %s: weight %s; %d active, %d inactive; %d new / s; %s: %s",
		r.Address, r.State, weight, r.Active, r.Inactive, r.Counters.Rate, strings.Join(checks, ", "), reason)
}
