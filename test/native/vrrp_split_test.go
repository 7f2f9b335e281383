package native

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
	"usher/vrrp/timespan"
)

// TestSplitBrain: the directors lose each other and nothing else, as no link of theirs
// tells them. Both are active then, which nobody can know. They settle it by the first
// advertisement of either that the other hears again, which is an advert interval away
// at most: the better one stays, and tells of the other.
func TestSplitBrain(t *testing.T) {
	l, _, _ := pair(t)
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

	// Who heard whom first is not determined: b resigns if it was b.
	labtest.Must(t, lab.Until(t.Context(), "a tells of the split brain", func() error {
		told := splitBrains(t, l.A)
		if !strings.Contains(told, "192.168.60.3 another active router: 192.168.60.3 with priority 100, here 150, since ") &&
			!strings.Contains(told, "192.168.60.3 another active router: 192.168.60.3 which gave way, here 150, since ") {
			return fmt.Errorf("it tells %q", told)
		}
		return nil
	}))
	if told := splitBrains(t, l.B); told != "" {
		t.Errorf("b, which gave way at once, tells %q", told)
	}
}

// TestPreemptionIsNoSplitBrain: a director that has crashed and comes back with its higher
// priority preempts the other one, which gives way at once (RFC 9568 section 6.4.3).
func TestPreemptionIsNoSplitBrain(t *testing.T) {
	l, a, _ := pair(t)
	vrrp := child(t, a)
	labtest.Must(t, syscall.Kill(vrrp, syscall.SIGSTOP)) // else it sees the end of its parent, and resigns
	labtest.Must(t, a.Kill())
	labtest.Must(t, syscall.Kill(vrrp, syscall.SIGKILL))
	labtest.Await(t, l.B, "web", "active")
	run(t, l.A, 150)
	labtest.Await(t, l.A, "web", "active")
	labtest.Await(t, l.B, "web", "backup")
	if told := splitBrains(t, l.B); told != "" {
		t.Errorf("b tells of a split brain: %q", told)
	}
}

// splitBrains are a node's events of that kind.
func splitBrains(t *testing.T, n *lab.Node) (told string) {
	t.Helper()
	out, err := n.Usher(t.Context(), "events", "--json")
	labtest.Must(t, err)
	for line := range strings.Lines(out) {
		var e struct{ Kind, Peer, Reason string }
		labtest.Must(t, json.Unmarshal([]byte(line), &e))
		if e.Kind == "split_brain" {
			told += e.Peer + " " + e.Reason + "\n"
		}
	}
	return told
}

// TestSplitBrainIsTold: an active router hears another one that gives way to nobody. An
// event, a line of the log, the status and the metric tell of it, with its address,
// its priority and since when, for as long as it goes on.
func TestSplitBrainIsTold(t *testing.T) {
	s := conformance(t, "")
	p := run(t, s.lab.A, 100)
	s.await("active")
	split := func() (is *splitBrain, metric string, err error) {
		var all struct {
			Instances []struct {
				SplitBrain *splitBrain `json:"split_brain"`
			}
		}
		body, err := s.lab.A.Control(t.Context(), "/api/v1/status")
		if err == nil {
			err = json.Unmarshal(body, &all)
		}
		if err != nil {
			return nil, "", err
		}
		body, err = s.lab.A.Control(t.Context(), "/metrics")
		for line := range strings.Lines(string(body)) {
			if value, is := strings.CutPrefix(line, `usher_vrrp_split_brain{instance="web"} `); is {
				metric = strings.TrimSpace(value)
			}
		}
		return all.Instances[0].SplitBrain, metric, err
	}
	began := time.Now().Truncate(time.Second)
	var is *splitBrain
	labtest.Must(t, lab.Until(t.Context(), "the status and the metric tell of the other router", func() (err error) {
		s.say(message{priority: 99, interval: time.Second})
		var metric string
		if is, metric, err = split(); err == nil && (is == nil || metric != "1") {
			err = fmt.Errorf("the status has %v, the metric is %q", is, metric)
		}
		return err
	}))
	if is.Address != peerAddress || is.Priority != 99 || is.Since.Before(began) || is.Since.After(time.Now()) {
		t.Errorf("the status tells of %+v, began after %v", is, began)
	}
	line := fmt.Sprintf("another active router: %s with priority 99, here 100, since %s", peerAddress, timespan.At(is.Since))
	if told := splitBrains(t, s.lab.A); told != peerAddress+" "+line+"\n" {
		t.Errorf("the events tell %q; want %q once", told, line)
	}
	if log := p.Tail(1000); strings.Count(log, line) != 1 || !strings.Contains(log, "event=split_brain") {
		t.Errorf("the log tells, in place of %q once:\n%s", line, log)
	}
	labtest.Must(t, lab.Until(t.Context(), "it is over", func() error {
		is, metric, err := split()
		if err == nil && (is != nil || metric != "0") {
			err = fmt.Errorf("the status has %v, the metric is %q", is, metric)
		}
		return err
	}))
	out, err := s.lab.A.Usher(t.Context(), "events")
	labtest.Must(t, err)
	if !strings.Contains(out, "two active routers for ") {
		t.Errorf("no event tells of its end: %s", out)
	}
}

// splitBrain is what the status says of another active router.
type splitBrain struct {
	Address  string
	Priority int
	Since    time.Time
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
	// By the witness's answer or by the active router's advert, whichever is heard first.
	labtest.Must(t, told("witness end"))
}
