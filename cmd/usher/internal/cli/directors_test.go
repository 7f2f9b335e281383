package cli_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/api"
)

// group is lb1 among three directors: lb2 is heard, lb3 was.
func group() api.Status {
	now := time.Now()
	old, heard := now.Add(-5*time.Minute), now.Add(-2*time.Second)
	role := func(state string, priority int) []api.DirectorRole {
		return []api.DirectorRole{{Name: "web", State: state, VirtualRouterID: 51, Priority: priority, Since: now}}
	}
	return api.Status{
		RouterID: "lb1", Version: "1", Started: now,
		Warnings: []api.Warning{
			{Severity: "warning", Kind: "config_differs", Subject: "web", Text: "virtual_server web differs on lb2: mend", Since: heard},
			{Severity: "warning", Kind: "certificate", Subject: "web", Text: "ends soon", Since: now},
		},
		Directors: &api.Directors{Self: "lb1", Directors: []api.Director{
			{Name: "lb1", Address: "192.0.2.1:7946", Self: true, Up: true, Version: "1", Instances: role("active", 150), RealServers: 3, RealServersUp: 3},
			{Name: "lb2", Address: "192.0.2.2:7946", Up: true, Heard: &heard, Version: "2", Instances: role("backup", 100), RealServers: 3, RealServersUp: 2, Differs: []string{"virtual_server web"}},
			{Name: "lb3", Address: "192.0.2.3:7946", Heard: &old, Version: "1", Why: "does not answer", Instances: role("active", 50)},
			{Address: "192.0.2.4:7946", Why: "never heard"},
		}},
	}
}

// TestStatusOfAll: every director in one table, with what is old marked as that; two that
// are active for one instance stand out; and the document is the daemon's own.
func TestStatusOfAll(t *testing.T) {
	s := group()
	socket, backend := daemon(t, s)
	code, out, errs := usher(t, "status", "--all", "--control", socket)
	if code != 0 || errs != "" {
		t.Errorf("status %d: %s", code, errs)
	}
	if _, own, _ := usher(t, "status", "--control", socket); !strings.Contains(own, "directors: lb2 up, lb3 absent, 192.0.2.4:7946 absent (usher status --all)\n") {
		t.Errorf("its own status does not name the others:\n%s", own)
	}
	squeezed := strings.Join(strings.Fields(out), " ")
	for _, want := range []string{
		"lb1: worth a look: web: virtual_server web differs on lb2: mend (and 1 more warning)",
		"DIRECTOR STATE HEARD VERSION ACTIVE FOR REAL SERVERS DIFFERS",
		"lb1 up here 1 web 3 of 3 up -", "lb2 up 2s ago 2 - 2 of 3 up virtual_server web",
		"lb3 absent 5m00s ago 1 web, (old) - - does not answer", "192.0.2.4:7946 absent never - - - - never heard",
		"INSTANCE LB1 LB2 LB3 192.0.2.4:7946", "web active (150) backup (100) was active, 5m00s old -",
	} {
		if !strings.Contains(squeezed, want) {
			t.Errorf("lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "ends soon") || strings.Contains(out, "ACTIVE ON") {
		t.Errorf("has what is not of the directors:\n%s", out)
	}
	backend.Change(func(s *api.Status) {
		s.Directors.Directors[1].Instances[0].State = "active"
		s.Directors.BothActive = []api.BothActive{{Instance: "web", Directors: []string{"lb1", "lb2"}}}
	})
	_, out, _ = usher(t, "status", "-a", "--control", socket)
	for _, want := range []string{"ACTIVE ON 2 DIRECTORS: web on lb1, lb2\n", "ACTIVE (150)", "ACTIVE (100)", "two directors hold its addresses"} {
		if !strings.Contains(out, want) {
			t.Errorf("lacks %q:\n%s", want, out)
		}
	}
	code, out, errs = usher(t, "status", "--all", "--json", "--control", socket)
	var doc api.Directors
	if err := json.Unmarshal([]byte(out), &doc); err != nil || code != 0 || len(doc.Directors) != 4 || doc.Self != "lb1" {
		t.Errorf("status %d, %v: %s%s", code, err, out, errs)
	}

	backend.Change(func(s *api.Status) { s.Directors = nil })
	for _, more := range [][]string{{}, {"--json"}} {
		code, _, errs := usher(t, append([]string{"status", "--all", "--control", socket}, more...)...)
		if code != 1 || !strings.Contains(errs, "no block peers") {
			t.Errorf("where no others are known: %d, %s", code, errs)
		}
	}
	if code, _, errs := usher(t, "status", "--all", "web", "--control", socket); code != 2 || !strings.Contains(errs, "leave the names out") {
		t.Errorf("with a name: %d, %s", code, errs)
	}
}
