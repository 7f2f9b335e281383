package ipvs

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/director/engine/enginetest"
	"usher/test/lab"
	"usher/test/lab/labtest"
)

// Random configurations one after the other: applying a plan does what it said,
// on the real kernel too.
func TestDirectorPlansOnTheKernel(t *testing.T) {
	l := suite.New(t, "")
	for seed := range uint64(5) {
		enginetest.Plans(t, open(t, l.A), seed, 12)
	}
}

// planConfig is a pool that serves with two of its three servers, between both bounds
// of the quorum's hysteresis. Files say which server is healthy.
func planConfig(dir, settings, servers string) string {
	return fmt.Sprintf(`
virtual_server "web" {
  address        = "192.168.60.240:80"
  forward_method = "nat"
  on_failure     = "remove"
  quorum         = 3
  hysteresis     = 1
  %s
  health_check "file" {
    path     = "%s/gone"
    interval = "100ms"
    rise     = 1
    fall     = 1
  }
  %s
  sorry_server "10.1.9.9:80" {}
}
`, settings, dir, servers)
}

func planServer(dir, address string, weight int) string {
	return fmt.Sprintf(`
  real_server "%[1]s:80" {
    weight = %[2]d
    health_check "file" { path = "%[3]s/%[1]s" }
  }
`, address, weight, dir)
}

// `usher plan` compares a file with the kernel and with what the daemon knows of its
// servers, or with the kernel alone; its exit statuses are as designed, it changes
// nothing, and what it says is what a reload does.
func TestDirectorPlanCommand(t *testing.T) {
	l := suite.New(t, "")
	dir := l.A.Dir
	plan := func(when string, code int, args string, want ...string) string {
		t.Helper()
		before := unchanged(t, l.A)
		got, out, err := l.A.Shell(t.Context(), "usher plan -c "+args)
		labtest.Must(t, err)
		if got != code {
			t.Errorf("%s: exit status %d, want %d:\n%s", when, got, code, out)
		}
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s: it does not say %q:\n%s", when, w, out)
			}
		}
		same(t, l.A, before, when+", after the plan,")
		return out
	}
	one, two, three := planServer(dir, "10.1.2.3", 1), planServer(dir, "10.1.4.5", 1), planServer(dir, "10.1.3.8", 2)
	for _, up := range []string{"10.1.2.3", "10.1.4.5", "10.1.3.8"} {
		labtest.File(t, l.A, up, "")
	}
	file := labtest.File(t, l.A, "usher.hcl", planConfig(dir, "", one+two+three))
	bad := labtest.File(t, l.A, "bad.hcl", "nonsense {}\n")
	plan("without a daemon", 2, file, "+ service wlc", "+ real_server 10.1.2.3:80 nat weight 1 (once its checks pass)")
	plan("a bad file", 1, bad, "nonsense {}")

	p := labtest.Start(t, l.A, "-c", file)
	labtest.Must(t, l.A.AwaitServers(t.Context(), "web", "up", "10.1.2.3:80", "10.1.4.5:80", "10.1.3.8:80", "10.1.9.9:80"))
	table := func(want string) {
		t.Helper()
		labtest.Must(t, lab.Until(t.Context(), "the table is as planned", func() error {
			if have := unchanged(t, l.A); have != want {
				return fmt.Errorf("ipvsadm -Sn shows\n%s\nwant\n%s", have, want)
			}
			return nil
		}))
	}
	table("-A -t 192.168.60.240:80 -s wlc\n" + // the sorry server is gone again
		"-a -t 192.168.60.240:80 -r 10.1.2.3:80 -m -w 1\n" +
		"-a -t 192.168.60.240:80 -r 10.1.3.8:80 -m -w 2\n" +
		"-a -t 192.168.60.240:80 -r 10.1.4.5:80 -m -w 1\n")
	plan("all up", 0, file, "No change.")
	labtest.Must(t, os.Remove(filepath.Join(dir, "10.1.3.8")))
	table("-A -t 192.168.60.240:80 -s wlc\n" +
		"-a -t 192.168.60.240:80 -r 10.1.2.3:80 -m -w 1\n" +
		"-a -t 192.168.60.240:80 -r 10.1.4.5:80 -m -w 1\n")
	plan("a server is down", 0, file, "No change.")
	next := labtest.File(t, l.A, "next.hcl", planConfig(dir, "persistence = \"60s\"\n  drain_timeout = \"0s\"",
		planServer(dir, "10.1.2.3", 5)+three+planServer(dir, "10.1.7.7", 1)))
	want := []string{
		"~ real_server 10.1.2.3:80 nat weight 1 -> nat weight 5\n",
		"- real_server 10.1.4.5:80 nat weight 1 ! drops connections",
		"+ real_server 10.1.7.7:80 nat weight 1 (once its checks pass)\n",
		"~ service wlc -> wlc",
		"4 to change, 1 of them drop connections.\n",
	}
	if out := plan("another file", 2, next, want...); strings.Contains(out, "10.1.3.8") {
		t.Errorf("the server that is down changes:\n%s", out)
	}
	var doc struct {
		IPVS struct {
			Changes []struct {
				Action     string
				RealServer string `json:"real_server"`
				Drops      bool   `json:"drops_connections"`
			}
		}
	}
	labtest.Must(t, json.Unmarshal([]byte(plan("another file", 2, next+" --json")), &doc))
	var said []string
	for _, c := range doc.IPVS.Changes {
		said = append(said, fmt.Sprintf("%s %s %t", c.Action, c.RealServer, c.Drops))
	}
	if got := strings.Join(said, ", "); got != "edit 10.1.2.3:80 false, add 10.1.7.7:80 false, edit  false, remove 10.1.4.5:80 true" {
		t.Errorf("--json says %s", got)
	}
	labtest.File(t, l.A, "10.1.7.7", "")
	labtest.Must(t, os.Rename(next, file))
	_, err := l.A.Usher(t.Context(), "reload")
	labtest.Must(t, err)
	after := "-A -t 192.168.60.240:80 -s wlc -p 60\n" +
		"-a -t 192.168.60.240:80 -r 10.1.2.3:80 -m -w 5\n" +
		"-a -t 192.168.60.240:80 -r 10.1.7.7:80 -m -w 1\n"
	table(after)
	plan("after the reload", 0, file, "No change.")
	// How long the servers of a service drain that goes is as the running file says.
	text, err := os.ReadFile(file)
	labtest.Must(t, err)
	moved := labtest.File(t, l.A, "moved.hcl", strings.ReplaceAll(string(text), ".240:80", ".241:80"))
	plan("another address", 2, moved, "web tcp 192.168.60.240:80\n", "- service wlc persistent 60s/32 ! drops connections")
	// Without a daemon nobody knows which servers are healthy, but the kernel says who serves.
	labtest.Must(t, p.Kill())
	if out := plan("after kill -9", 2, file, "1 to change, 0 of them drop connections."); !strings.Contains(out, "+ real_server 10.1.3.8:80 nat weight 2 (once its checks pass)") {
		t.Errorf("after kill -9 it says\n%s", out)
	}
}
