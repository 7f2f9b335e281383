package ipvs

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// seen is `usher status --all --json`, as far as this test looks at it.
type seen struct {
	Directors []struct {
		Name    string
		Up      bool
		Differs []string
	}
	Differences []struct{ Kind, Subject, Text string }
}

// untilSeen waits until a director tells of what it should, and says how long it took.
func untilSeen(t *testing.T, n *lab.Node, what string, ok func(seen) bool) time.Duration {
	t.Helper()
	start := time.Now()
	labtest.Must(t, lab.Until(t.Context(), what, func() error {
		out, err := n.Usher(t.Context(), "status", "--all", "--json")
		if err != nil {
			return err
		}
		var s seen
		if err := json.Unmarshal([]byte(out), &s); err != nil || !ok(s) {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}))
	return time.Since(start)
}

// told says whether a difference begins so.
func (s seen) told(kind, text string) bool {
	for _, d := range s.Differences {
		if d.Kind == kind && strings.HasPrefix(d.Text, text) {
			return true
		}
	}
	return false
}

// differs has the file of b differ by one weight, and then the ways from b to the servers
// cut: both directors tell of it, by name, and neither moves anything.
func (s *site) differs(t *testing.T) {
	t.Helper()
	file := s.B.Dir + "/usher.hcl"
	text, err := os.ReadFile(file)
	labtest.Must(t, err)
	reload := func(config string) {
		t.Helper()
		labtest.Must(t, os.WriteFile(file, []byte(config), 0o600))
		_, err := s.B.Usher(t.Context(), "reload")
		labtest.Must(t, err)
	}
	reload(strings.Replace(string(text), "content {}", fmt.Sprintf("content { weight = real_server.value == %q ? 2 : 1 }", lab.RIPs[0]), 1))
	for n, on := range map[*lab.Node]string{s.A: "b", s.B: "a"} {
		took := untilSeen(t, n, n.Name+" tells of the weight", func(v seen) bool { return v.told("config", "virtual_server web differs on "+on) })
		t.Logf("%s tells %s later", n.Name, took.Round(time.Millisecond))
	}
	reload(string(text))
	for _, rip := range lab.RIPs {
		labtest.Run(t, s.B, "ip", "route", "add", "blackhole", rip.String()+"/32")
	}
	took := untilSeen(t, s.B, "b tells that the servers are down only here", func(v seen) bool {
		return len(v.Differences) == 1 && v.told("health", "3 real servers") && strings.Contains(v.Differences[0].Text, "down only here")
	})
	t.Logf("told %s after the cut", took.Round(time.Millisecond))
	untilSeen(t, s.A, "a tells that they are down only on b", func(v seen) bool {
		return len(v.Differences) == 1 && strings.Contains(v.Differences[0].Text, "down only on b")
	})
	if got := s.A.State(t.Context(), "web"); got != "active" {
		t.Errorf("a is %s", got)
	}
	labtest.Must(t, s.A.AwaitServers(t.Context(), "web", "up", s.rips[1:]...)) // the first is drained
}
