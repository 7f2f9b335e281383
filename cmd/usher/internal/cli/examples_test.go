package cli_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/events"
)

// TestExamplesWithJQ: what the help gives as an example for jq finds something in
// what the command prints.
func TestExamplesWithJQ(t *testing.T) {
	socket, b := daemon(t, api.Status{Instances: []api.Instance{{Name: "web", State: "active", Since: time.Now()}}})
	b.Events().Add(events.Event{Kind: "reload", Severity: events.Error, Reason: "line 7 is bad"})
	router := good[:strings.Index(good, "virtual_server")]
	pool := strings.Replace(strings.Replace(good, router, "", 1), "  real_server", "  health_check \"tcp\" { interval = \"100ms\" }\n  real_server", 1)
	pool = strings.Replace(pool, "10.0.0.1:80", "127.0.0.1:1", 1) // where nobody listens
	files := map[string]string{"validate": file(t, "nonsense {}"), "plan": file(t, router), "check": file(t, pool)}

	m := document[struct {
		Commands []struct{ Name, Example string }
	}](t, 0, "", "man", "--json")
	tried := 0
	for _, c := range m.Commands {
		for line := range strings.Lines(c.Example) {
			command, jq, ok := strings.Cut(strings.TrimSpace(line), " | jq ")
			if !ok {
				continue
			}
			tried++
			args := strings.Fields(command)[1:]
			for i, a := range args[:len(args)-1] {
				switch a {
				case "-c":
					args[i+1] = files[c.Name]
				case "--for":
					args[i+1] = "1s"
				}
			}
			switch c.Name {
			case "status", "events":
				args = append(args, "--control", socket)
			case "plan":
				args = append(args, "--control", filepath.Join(t.TempDir(), "none.sock"))
			}
			_, out, errs := usher(t, args...)
			run := exec.Command("sh", "-c", "jq "+jq)
			run.Stdin = strings.NewReader(out)
			found, err := run.CombinedOutput()
			// Without IPVS a plan has no change that drops connections.
			if err != nil || len(found) == 0 && c.Name != "plan" || strings.Contains(string(found), "null") {
				t.Errorf("%s\nfinds %q, %v, in\n%s%s", strings.TrimSpace(line), found, err, out, errs)
			}
		}
	}
	if tried < 6 {
		t.Errorf("%d examples with jq", tried)
	}
}
