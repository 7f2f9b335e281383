package vrrp

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the transcripts under testdata")

// TestTranscripts replays the scenarios of testdata/machine, each a story of one
// machine: "TIME event arguments", and below it what the machine did. They are
// named by the clause that they show.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/machine/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got != string(want) {
				t.Errorf("the machine tells another story:\n%s", got)
			}
		})
	}
}

// replay runs the events of a transcript and writes it anew.
func replay(t *testing.T, script string) string {
	t.Helper()
	var out strings.Builder
	var m Machine
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			fmt.Fprintln(&out, line)
		case strings.HasPrefix(line, "machine "):
			m = NewMachine(parameters(t, strings.Fields(line)[1:]))
			fmt.Fprintln(&out, line)
		case !strings.HasPrefix(line, " "):
			var actions []Action
			m, actions = m.Step(input(t, strings.Fields(line)))
			fmt.Fprintln(&out, line)
			for _, a := range actions {
				fmt.Fprintf(&out, "    %s\n", describe(m, a))
			}
			if len(actions) == 0 {
				fmt.Fprintln(&out, "    nothing")
			}
		}
	}
	return out.String()
}

func describe(m Machine, a Action) string {
	switch a.Kind {
	case ActSend:
		return fmt.Sprintf("send priority %d", m.Priority())
	case ActResign:
		return "send priority 0"
	case ActHold:
		return "hold addresses"
	case ActDrop:
		return "drop addresses"
	case ActAnnounce:
		return "announce again"
	case ActArm:
		return fmt.Sprintf("timer at %v", a.At)
	case ActDisarm:
		return "no timer"
	case ActNotify:
		return fmt.Sprintf("%v -> %v", a.From, a.To)
	}
	return "invalid"
}

func parameters(t *testing.T, fields []string) Parameters {
	p := Parameters{Version: 3, Priority: 100, Interval: time.Second, DownAdverts: 3, Preempt: true}
	for _, f := range fields {
		key, value, _ := strings.Cut(f, "=")
		switch key {
		case "version":
			p.Version = uint8(number(t, value))
		case "priority":
			p.Priority = uint8(number(t, value))
		case "interval":
			p.Interval = duration(t, value)
		case "down_adverts":
			p.DownAdverts = number(t, value)
		case "preempt":
			p.Preempt = value == "true"
		case "preempt_delay":
			p.PreemptDelay = duration(t, value)
		case "startup_delay":
			p.StartupDelay = duration(t, value)
		default:
			t.Fatalf("unknown parameter %q", f)
		}
	}
	return p
}

var kinds = map[string]StepKind{
	"start": StepStart, "stop": StepStop, "fault": StepFault, "expired": StepExpired, "advert": StepAdvert,
	"priority": StepPriority, "parameters": StepParameters, "yield": StepYield, "handover": StepHandover,
	"retire": StepRetire, "stalled": StepStalled, "withhold": StepWithhold, "hesitate": StepHesitate,
	"concede": StepConcede, "stay": StepStay,
}

// input reads "TIME event arguments". An advert comes from .2 to .1, or from .9 to
// .1 with "from=...".
func input(t *testing.T, fields []string) Input {
	in := Input{At: duration(t, fields[0]), Kind: kinds[fields[1]], Interval: time.Second}
	if in.Kind == 0 {
		t.Fatalf("unknown event %q", fields[1])
	}
	if in.Kind == StepParameters {
		in.Parameters = parameters(t, fields[2:])
		return in
	}
	in.From, in.Local = netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.5")
	for _, f := range fields[2:] {
		key, value, _ := strings.Cut(f, "=")
		switch key {
		case "priority":
			in.Priority = uint8(number(t, value))
		case "interval":
			in.Interval = duration(t, value)
		case "from":
			in.From = netip.MustParseAddr(value)
		case "local":
			in.Local = netip.Addr{}
		default:
			t.Fatalf("unknown argument %q", f)
		}
	}
	return in
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
