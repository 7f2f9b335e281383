package native

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// TestSplitBrain: the directors lose each other and nothing else, as no link of theirs
// tells them. Both are active then, which nobody can know; once they hear each other,
// the better one stays, says so (event, log, status, metric) and announces again.
func TestSplitBrain(t *testing.T) {
	l, a, _ := pair(t)
	labtest.Must(t, l.Part(true))
	labtest.Await(t, l.B, "web", "active")
	labtest.Must(t, l.B.AwaitVIP(t.Context(), true))
	if l.A.State(t.Context(), "web") != "active" {
		t.Error("a gave way to somebody whom it does not hear")
	}
	labtest.Must(t, l.Part(false))
	within(t, time.Second, "the end of the split brain", func() error { return l.B.AwaitVIP(t.Context(), false) })
	labtest.Await(t, l.B, "web", "backup")
	labtest.Await(t, l.A, "web", "active")
	labtest.Must(t, l.A.AwaitVIP(t.Context(), true))

	// Who heard whom first is not determined: one of them tells of the other, with its
	// address and priority.
	told := ""
	for _, n := range l.Directors() {
		out, err := n.Usher(t.Context(), "events", "--json")
		labtest.Must(t, err)
		for line := range strings.Lines(out) {
			var e struct{ Kind, Peer, Reason string }
			labtest.Must(t, json.Unmarshal([]byte(line), &e))
			if e.Kind == "split_brain" {
				told += e.Peer + " " + e.Reason + "\n"
			}
		}
	}
	if !strings.Contains(told, "192.168.60.3 another active router: 192.168.60.3 with priority 100, here 150") &&
		!strings.Contains(told, "192.168.60.2 another active router: 192.168.60.2 with priority 150, here 100") {
		t.Errorf("told of the split brain: %q", told)
	}
	// An end is only there where a beginning was: since when, and for how long.
	labtest.Must(t, lab.Until(t.Context(), "a has answered the other, and it is over", func() error {
		out, err := l.A.Usher(t.Context(), "events", "--json")
		if err == nil && strings.Contains(out, `"split_brain"`) && !strings.Contains(out, "two active routers for ") {
			err = fmt.Errorf("it goes on: %s", out)
		}
		return err
	}))
	if log := a.Tail(1000); strings.Contains(told, "192.168.60.3 ") && !strings.Contains(log, "another active router: 192.168.60.3") {
		t.Errorf("the log says nothing of it:\n%s", log)
	}
}

// TestWitness: a backup that can reach none of its witnesses takes silence for its own
// loss, and stays what it is.
func TestWitness(t *testing.T) {
	l := suite.New(t, "")
	run(t, l.A, 150)
	labtest.Await(t, l.A, "web", "active")
	start(t, l.B, 100, `
  witness {
    ping     = ["192.168.60.2"]
    interval = "100ms"
  }
`)
	labtest.Await(t, l.B, "web", "backup")
	told := func(what string) error {
		return lab.Until(t.Context(), "b tells: "+what, func() error {
			out, err := l.B.Usher(t.Context(), "events")
			if err == nil && !strings.Contains(out, what) {
				err = fmt.Errorf("it tells %s", out)
			}
			return err
		})
	}
	labtest.Must(t, l.Part(true))
	labtest.Must(t, told("takeover withheld: no witness answers"))
	if is := l.B.State(t.Context(), "web"); is != "backup" {
		t.Errorf("b is %s", is)
	}
	labtest.Must(t, l.Part(false))
	labtest.Must(t, told("the witness answers again"))
}
