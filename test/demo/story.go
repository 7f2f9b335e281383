package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"usher/test/lab"
)

// methods are the forward methods that have an example to show.
var methods = []string{"nat", "dr", "tun", "fullnat"}

// story is the demo under way.
type story struct {
	*lab.Lab
	out   io.Writer
	file  string // configuration of both directors
	start time.Time
	a, b  *lab.Process
	webs  []*lab.Process
}

// tell plays every step; the first that did not happen ends it with an error.
func (s *story) tell(ctx context.Context) error {
	return s.play(ctx, []step{
		{"Two directors run usher on conf/examples/" + s.Forward + ".hcl, three real servers run nginx", s.setUp},
		{"The client sends requests from " + fmt.Sprint(lab.Clients) + " addresses", s.spread},
		{"A real server dies, and comes back", s.realServer},
		{"The active director is killed with SIGKILL, all of its processes at once", s.kill},
		{"The killed director starts again and takes its role back", s.comeBack},
		{"The active director is stopped as planned, with SIGTERM", s.plannedStop},
	})
}

// step is a part of a story.
type step struct {
	title string
	play  func(context.Context) error
}

func (s *story) play(ctx context.Context, steps []step) error {
	s.start = time.Now()
	for _, step := range steps {
		s.say("")
		s.note("%s.", step.title)
		if err := step.play(ctx); err != nil {
			return fmt.Errorf("%s: %w", strings.ToLower(step.title[:1])+step.title[1:], err)
		}
	}
	s.say("")
	s.note("Done: every step happened.")
	return nil
}

// say writes a line, note one with the time since the start.
func (s *story) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

func (s *story) note(format string, args ...any) {
	fmt.Fprintf(s.out, "%6.1f s  %s\n", time.Since(s.start).Seconds(), fmt.Sprintf(format, args...))
}

func (s *story) tellMore(format string, args ...any) {
	s.say("          "+format, args...)
}

func (s *story) setUp(ctx context.Context) error {
	var err error
	if s.webs, err = s.Webs(ctx); err != nil {
		return err
	}
	if s.a, err = s.A.RunUsher(ctx, "-c", s.file, "--var", "priority=150"); err != nil {
		return err
	}
	if s.b, err = s.B.RunUsher(ctx, "-c", s.file, "--var", "priority=100"); err != nil {
		return err
	}
	if err := s.roles(ctx, s.A, s.B); err != nil {
		return err
	}
	for _, n := range s.Directors() {
		if err := n.AwaitServers(ctx, "web", "up", s.servers()...); err != nil {
			return err
		}
	}
	s.note("Director a (priority 150) is active, b (priority 100) is backup; all real servers are up on both.")
	return s.showStatus(ctx, s.A)
}

// roles waits until one director is active and holds the VIP, and the other not.
func (s *story) roles(ctx context.Context, active, backup *lab.Node) error {
	return errors.Join(active.Await(ctx, "web", "active"), active.AwaitVIP(ctx, true),
		backup.Await(ctx, "web", "backup"), backup.AwaitVIP(ctx, false))
}

// servers are the real servers' addresses in the example.
func (s *story) servers() []string {
	var all []string
	for i := range lab.RIPs {
		all = append(all, s.server(i).String())
	}
	return all
}

func (s *story) server(i int) netip.AddrPort {
	port := uint16(80)
	if s.Forward == "dr" || s.Forward == "tun" {
		port = lab.Service.Port()
	}
	return netip.AddrPortFrom(lab.RIPs[i], port)
}

func (s *story) showStatus(ctx context.Context, n *lab.Node) error {
	out, err := n.Usher(ctx, "status")
	if err != nil {
		return err
	}
	s.say("")
	s.tellMore("%s# usher status", n.Name)
	for line := range strings.Lines(out) {
		s.tellMore("%s", strings.TrimRight(line, "\n"))
	}
	return nil
}

// patience is how long a request may take that nobody disturbs, even on a machine
// that is busy with something else.
const patience = 15 * time.Second

// spread asks once from each of the client's addresses.
func (s *story) spread(context.Context) error {
	count := make(map[string]int)
	err := s.Client.Do(func() error {
		for i := range lab.Clients {
			a := lab.Ask(lab.ClientAddr(i), lab.Service, patience)
			if a.Err != nil {
				return fmt.Errorf("request from %s: %w", a.From, a.Err)
			}
			count[a.Server]++
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, n := range s.Real {
		s.tellMore("%s (%s) answered %d", n.Name, s.server(i), count[n.Name])
		if count[n.Name] == 0 {
			return fmt.Errorf("%s answered nobody", n.Name)
		}
	}
	return nil
}

// realServer kills the second web server and starts it again.
func (s *story) realServer(ctx context.Context) error {
	victim, server := s.Real[1], s.server(1)
	killed := time.Now()
	s.webs[1].Reap()
	if err := s.awaitIPVS(ctx, server, false); err != nil {
		return err
	}
	s.note("%s was killed and is out of IPVS after %s.", victim.Name, ms(time.Since(killed)))
	probe := s.Client.Probe(lab.Service, 6, 100*time.Millisecond)
	err := lab.Until(ctx, "clients got 30 answers", func() error {
		if n := len(probe.Attempts()); n < 30 {
			return fmt.Errorf("they got %d", n)
		}
		return nil
	})
	o := lab.Judge(probe.Stop(), killed)
	if err != nil {
		return err
	}
	if o.Failed > 0 {
		return fmt.Errorf("with %s out, %d of %d requests failed: %w", victim.Name, o.Failed, o.Total, o.Reason)
	}
	s.tellMore("%d requests, none failed", o.Total)

	started := time.Now()
	web, err := victim.Web(ctx)
	if err != nil {
		return err
	}
	s.webs[1] = web
	if err := s.awaitIPVS(ctx, server, true); err != nil {
		return err
	}
	s.note("%s was started again and is in IPVS after %s.", victim.Name, ms(time.Since(started)))
	return nil
}

func (s *story) awaitIPVS(ctx context.Context, server netip.AddrPort, want bool) error {
	return lab.Until(ctx, fmt.Sprintf("%s in IPVS is %t", server, want), func() error {
		have, err := s.A.InIPVS(server)
		if err == nil && have != want {
			err = fmt.Errorf("it is %t", have)
		}
		return err
	})
}

// probing runs an action while clients ask, until clients get answers from the new
// active director again, and tells what the clients saw.
func (s *story) probing(ctx context.Context, what string, act func() error, active *lab.Node) (lab.Outage, error) {
	probe := s.Client.Probe(lab.Service, 6, 60*time.Millisecond)
	defer probe.Stop()
	if err := answered(ctx, probe, time.Now()); err != nil {
		return lab.Outage{}, err
	}
	begin := time.Now()
	if err := act(); err != nil {
		return lab.Outage{}, err
	}
	if err := errors.Join(active.Await(ctx, "web", "active"), active.AwaitVIP(ctx, true)); err != nil {
		return lab.Outage{}, err
	}
	if err := answered(ctx, probe, time.Now()); err != nil {
		return lab.Outage{}, err
	}
	o := lab.Judge(probe.Stop(), begin)
	if o.Failed == 0 {
		s.note("%s; %d requests meanwhile, none failed.", what, o.Total)
		return o, nil
	}
	s.note("%s; clients were without an answer for %s, the VIP answers again.", what, ms(o.Gap))
	s.tellMore("%d of %d requests failed, %d of them on a connection that was open already (%v); the last answer to come back came %s after that",
		o.Failed, o.Total, o.Cut, o.Reason, ms(o.Back.Sub(begin)))
	return o, nil
}

// answered waits for answers to requests that began after a moment, one from each
// of the clients.
func answered(ctx context.Context, probe *lab.Prober, since time.Time) error {
	return lab.Until(ctx, "every client is answered", func() error {
		var from []netip.Addr
		for _, a := range probe.Attempts() {
			if a.Start.After(since) && a.Err == nil && !slices.Contains(from, a.From) {
				from = append(from, a.From)
			}
		}
		if len(from) < 6 {
			return fmt.Errorf("%d are", len(from))
		}
		return nil
	})
}

func (s *story) kill(ctx context.Context) error {
	_, err := s.probing(ctx, "Director a was killed", func() error { s.a.Reap(); return nil }, s.B)
	if err != nil {
		return err
	}
	if err := s.A.AwaitVIP(ctx, false); err != nil {
		return fmt.Errorf("the dead director keeps the VIP: %w", err)
	}
	s.tellMore("b is active; the kernel of a has dropped the VIP by itself, its lease ran out")
	return nil
}

func (s *story) comeBack(ctx context.Context) error {
	_, err := s.probing(ctx, "Director a was started", func() error {
		var err error
		s.a, err = s.A.RunUsher(ctx, "-c", s.file, "--var", "priority=150")
		return err
	}, s.A)
	if err != nil {
		return err
	}
	if err := s.roles(ctx, s.A, s.B); err != nil {
		return err
	}
	// Handing over before the servers are known again would show less than it can.
	return s.A.AwaitServers(ctx, "web", "up", s.servers()...)
}

func (s *story) plannedStop(ctx context.Context) error {
	o, err := s.probing(ctx, "Director a was stopped", func() error { return s.a.Signal(syscall.SIGTERM) }, s.B)
	if err != nil {
		return err
	}
	if code := s.a.ExitCode(); code != 0 {
		return fmt.Errorf("usher ended with exit status %d:\n%s", code, s.a.Tail(10))
	}
	if left, err := s.A.Destinations(); err != nil || len(left) > 0 {
		return fmt.Errorf("after its stop a still has %v in IPVS (%v)", left, err)
	}
	s.tellMore("failed connection attempts: %d; a has given up the VIP and cleaned its IPVS table", o.Failed-o.Cut)
	return s.showStatus(ctx, s.B)
}

func ms(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }
