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

// TestPeersDiffer: two files that differ by one weight are told of on both directors, by
// name, until they are the same; and when the link of one to the servers is cut, they are
// down only there. Neither moves anything.
func TestPeersDiffer(t *testing.T) {
	s := prepared(t, "fullnat")
	text, err := os.ReadFile(s.file)
	labtest.Must(t, err)
	// config is the file of a director, with so much weight for the first server.
	config := func(n *lab.Node, own, other string, weight int) string {
		weighed := fmt.Sprintf("content { weight = real_server.value == %q ? %d : 1 }", lab.RIPs[0], weight)
		return labtest.File(t, n, "usher.hcl", strings.Replace(string(text), "content {}", weighed, 1)+
			fmt.Sprintf("peers {\n  name = %q\n  listen = %q\n  join = [%q]\n  key = \"0123456789abcdef\"\n}\n", n.Name, own, other))
	}
	a, b := lab.AddrA.String(), lab.AddrB.String()
	labtest.Start(t, s.A, "-c", config(s.A, a, b, 1), "--var", "priority=150")
	labtest.Start(t, s.B, "-c", config(s.B, b, a, 2), "--var", "priority=100")
	labtest.Await(t, s.A, "web", "active")
	for n, on := range map[*lab.Node]string{s.A: "b", s.B: "a"} {
		took := untilSeen(t, n, n.Name+" tells of the weight", func(v seen) bool { return v.told("config", "virtual_server web differs on "+on) })
		t.Logf("%s tells after %s", n.Name, took.Round(time.Millisecond))
	}
	config(s.B, b, a, 1)
	labtest.Must(t, errorOf(s.B.Usher(t.Context(), "reload")))
	untilSeen(t, s.A, "no weight differs", func(v seen) bool { return len(v.Differences) == 0 && len(v.Directors) == 2 && v.Directors[1].Up })

	labtest.Must(t, s.Cut(s.B, "eth1"))
	took := untilSeen(t, s.B, "b tells that the servers are down only here", func(v seen) bool {
		return v.told("health", "3 real servers") && strings.Contains(v.Differences[0].Text, "down only here")
	})
	untilSeen(t, s.A, "a tells that they are down only on b", func(v seen) bool { return strings.Contains(fmt.Sprint(v.Differences), "down only on b") })
	t.Logf("told %s after the cut", took.Round(time.Millisecond))
	if got := s.A.State(t.Context(), "web"); got != "active" {
		t.Errorf("a is %s", got)
	}
	labtest.Must(t, s.A.AwaitServers(t.Context(), "web", "up", s.rips...))
}

func errorOf(_ string, err error) error { return err }
