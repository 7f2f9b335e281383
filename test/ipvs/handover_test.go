package ipvs

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// Clients of TestHandover, and how often each of them would connect: a thousand
// connections a second, of which an emulated machine holds what it can.
const (
	handoverClients = 10
	handoverStep    = 10 * time.Millisecond
)

// TestHandover: by command, by maintenance and by a planned stop the peer takes
// over under load. No connection attempt is lost. A connection that the peer knows
// by synchronisation goes on through all of it, and so does one that was open just
// before, of which the peer hears only after it has taken over.
func TestHandover(t *testing.T) {
	t.Parallel()
	for _, forward := range []string{"dr", "nat"} {
		t.Run(forward, func(t *testing.T) {
			s := prepared(t, forward)
			talk := s.startSynced(t)
			for _, move := range []struct {
				name   string
				do     func() error
				active *lab.Node
			}{
				{"failover", s.command(t, s.A, "failover", "web"), s.B},
				{"failover back", s.command(t, s.B, "failover", "web"), s.A},
				{"maintenance on", s.command(t, s.A, "maintenance", "on"), s.B},
				{"maintenance off", s.command(t, s.A, "maintenance", "off"), s.A},
				{"planned stop", s.a.Stop, s.B},
			} {
				load := s.Client.Load(lab.Service, handoverClients, handoverStep, page)
				labtest.Must(t, load.Await(t.Context(), 30))
				young := s.talk(t)
				labtest.Must(t, move.do())
				labtest.Await(t, move.active, "web", "active")
				labtest.Must(t, move.active.AwaitVIP(t.Context(), true))
				labtest.Must(t, load.Await(t.Context(), 30))
				lost, story := load.Stop()
				if _, _, err := young(); err != nil {
					t.Errorf("%s: a connection that was just open did not go on: %v", move.name, err)
				}
				t.Logf("%s: %s", move.name, story)
				// Cut is what opened in the very moment, its SYN by one director and its ACK
				// by the other: the kernel has no message for a connection that is half open.
				if lost > 0 {
					t.Errorf("%s: %d connection attempts were lost", move.name, lost)
				}
			}
			answers, pause, err := talk()
			if err != nil {
				t.Errorf("the connection did not go on: %v", err)
			}
			t.Logf("on one connection over all: %d answers, the longest pause between two %v", answers, pause.Round(time.Millisecond))
		})
	}
}

// TestHandoverAtRate: of a thousand new connections a second through IPVS none is lost
// by a handover and the one back, and one that is open goes on. By dr, of which an
// emulated machine can hold so many.
func TestHandoverAtRate(t *testing.T) {
	s := served(t, suite.Alone(t, "dr"))
	talk := s.startSynced(t)
	storm := s.Client.Storm(lab.Service, 1000)
	labtest.Must(t, storm.Await(t.Context(), 1000))
	for _, move := range []struct{ from, to *lab.Node }{{s.A, s.B}, {s.B, s.A}} {
		labtest.Must(t, s.command(t, move.from, "failover", "web")())
		labtest.Await(t, move.to, "web", "active")
		labtest.Must(t, move.from.AwaitVIP(t.Context(), false))
		labtest.Must(t, storm.Await(t.Context(), 1000))
	}
	lost, story, err := storm.Stop()
	labtest.Must(t, err)
	t.Log(story)
	guardIsSmall(t, s.a)
	if lost > 0 {
		t.Errorf("%d connection attempts were lost", lost)
	}
	answers, pause, err := talk()
	if err != nil {
		t.Errorf("the connection did not go on: %v", err)
	}
	t.Logf("on one connection over all: %d answers, the longest pause between two %v", answers, pause.Round(time.Millisecond))
}

// startSynced starts both directors with synchronisation, and a connection through the
// first of which the second knows.
func (s *site) startSynced(t *testing.T) (talk func() (answers int, pause time.Duration, err error)) {
	t.Helper()
	text, err := os.ReadFile(s.file)
	labtest.Must(t, err)
	for _, n := range s.Directors() {
		// The director's own TCP must not answer packets of connections that it is
		// yet to hear of.
		text := strings.ReplaceAll(string(text), "virtual_router_id", "accept = false\n  virtual_router_id")
		labtest.File(t, n, "usher.hcl", text+syncBlock)
	}
	s.file = s.A.Dir + "/usher.hcl"
	s.startA(t)
	s.startB(t)
	expectDaemon(t, s.B, "backup")
	talk = s.talk(t)
	labtest.Must(t, lab.Until(t.Context(), "b knows the connection", func() error {
		if out := labtest.Run(t, s.B, "ipvsadm", "-Lnc"); !strings.Contains(out, "ESTABLISHED") {
			return fmt.Errorf("it knows\n%s", out)
		}
		return nil
	}))
	return talk
}

// guardMost is what the guard may take, in bytes.
const guardMost = 4e6

// guardIsSmall: the process that does nothing but outlive the others takes little
// once the VRRP process has had nothing to tell it for a moment.
func guardIsSmall(t *testing.T, p *lab.Process) {
	t.Helper()
	guards := lab.Guards(p.PID())
	if len(guards) != 1 {
		t.Fatalf("%d guards", len(guards))
	}
	labtest.Must(t, lab.Until(t.Context(), "the guard takes little memory", func() error {
		own, proportional, err := lab.OwnMemory(guards[0])
		if err == nil && own >= guardMost {
			return fmt.Errorf("it has %d bytes of memory for itself, %.0f at most are wanted", own, guardMost)
		}
		if err == nil {
			t.Logf("the guard has %.1f MB of memory, %.1f with its share of the program's file", float64(own)/1e6, float64(proportional)/1e6)
		}
		return err
	}))
}

func (s *site) command(t *testing.T, n *lab.Node, args ...string) func() error {
	return func() error {
		_, err := n.Usher(t.Context(), args...)
		return err
	}
}
