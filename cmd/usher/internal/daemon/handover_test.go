package daemon_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/daemon"
	"usher/cmd/usher/internal/events"
	"usher/vrrp"
)

// activeDaemon runs a daemon whose instance is active.
func activeDaemon(t *testing.T) (*fixture, *daemon.Daemon) {
	f := newFixture(t)
	d, _ := f.start()
	f.becomes(func(s *vrrp.Status) { s.State, s.ActiveRouter = vrrp.Active, netip.MustParseAddr("192.0.2.5") }, vrrp.Event{})
	return f, d
}

// becomes changes how the instance stands, and tells of it.
func (f *fixture) becomes(change func(*vrrp.Status), e vrrp.Event) {
	f.world.mu.Lock()
	change(&f.world.statuses[0])
	f.world.mu.Unlock()
	e.Instance = "edge"
	f.world.vrrpEvents(e)
}

var (
	handedOver = func(s *vrrp.Status) {
		s.State, s.Leaving, s.ActiveRouter = vrrp.Backup, false, netip.MustParseAddr("192.0.2.7")
	}
	takenBack = func(s *vrrp.Status) { s.Leaving = false }
)

type outcome struct {
	text string
	err  error
}

// asked posts in the background, and returns when the VRRP process was told to hand over.
func (f *fixture) asked(path string, in any) <-chan outcome {
	f.t.Helper()
	out := make(chan outcome, 1)
	go func() {
		var done api.Done
		err := api.Socket(f.socket()).Post(f.t.Context(), path, in, &done)
		out <- outcome{done.Message, err}
	}()
	<-f.world.handed
	select {
	case o := <-out:
		f.t.Fatalf("answered before there was an outcome: %+v", o)
	default:
	}
	return out
}

func (o outcome) fails(t *testing.T, want string) {
	t.Helper()
	if o.err == nil || !strings.Contains(o.err.Error(), want) {
		t.Errorf("%q, %v; want an error with %q", o.text, o.err, want)
	}
}

// TestFailover_Outcome: the answer is what has come of it.
func TestFailover_Outcome(t *testing.T) {
	t.Run("handed over", func(t *testing.T) {
		f, _ := activeDaemon(t)
		answer := f.asked("/api/v1/failover", api.Name{Instance: "edge"})
		f.becomes(handedOver, vrrp.Event{Kind: vrrp.EventState, From: vrrp.Active, To: vrrp.Backup})
		const want = "edge handed over to 192.0.2.7. It comes back when that director fails, or hands over: usher failover edge there"
		if o := <-answer; o.err != nil || o.text != want {
			t.Errorf("%q, %v", o.text, o.err)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		f, _ := activeDaemon(t)
		answer := f.asked("/api/v1/failover", api.Name{Instance: "edge"})
		f.becomes(takenBack, vrrp.Event{Kind: vrrp.EventHandover})
		(<-answer).fails(t, "nobody has taken over edge within 5 s: no peer is heard. The addresses have stayed")
	})
	t.Run("fault", func(t *testing.T) {
		f, _ := activeDaemon(t)
		answer := f.asked("/api/v1/failover", api.Name{Instance: "edge"})
		f.becomes(func(s *vrrp.Status) { s.State, s.Leaving, s.Reason = vrrp.Fault, false, "interface eth0 is down" }, vrrp.Event{Kind: vrrp.EventState})
		(<-answer).fails(t, "edge is in state fault: interface eth0 is down")
	})
	t.Run("not waited for", func(t *testing.T) {
		_, d := activeDaemon(t)
		if text, err := d.Failover(t.Context(), api.Name{Instance: "edge", NoWait: true}, "anna"); err != nil || text != "edge: the handover has begun" {
			t.Errorf("%q, %v", text, err)
		}
	})
}

// TestMaintenance_Outcome: what is active is handed over before anything else, and where
// nobody takes over there is no maintenance.
func TestMaintenance_Outcome(t *testing.T) {
	t.Run("handed over", func(t *testing.T) {
		f, d := activeDaemon(t)
		answer := f.asked("/api/v1/maintenance", api.Switch{On: true})
		if d.Status().Maintenance {
			t.Error("in maintenance before anybody has taken over")
		}
		f.becomes(handedOver, vrrp.Event{Kind: vrrp.EventState, From: vrrp.Active, To: vrrp.Backup})
		if o := <-answer; o.err != nil || o.text != "maintenance on, until usher maintenance off, edge handed over to 192.0.2.7" {
			t.Errorf("%q, %v", o.text, o.err)
		}
		i := slices.IndexFunc(d.Status().Warnings, func(w api.Warning) bool { return w.Kind == "maintenance" })
		if i < 0 || time.Since(d.Status().Warnings[i].Since) > time.Minute {
			t.Errorf("no warning with its age: %+v", d.Status().Warnings)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		f, d := activeDaemon(t)
		answer := f.asked("/api/v1/maintenance", api.Switch{On: true})
		f.becomes(takenBack, vrrp.Event{Kind: vrrp.EventHandover})
		(<-answer).fails(t, "maintenance is refused: --force takes them down all the same")
		if d.Status().Maintenance || slices.Contains(f.world.noted(), "maintenance on") {
			t.Errorf("in maintenance all the same: %q", f.world.noted())
		}
	})
	t.Run("taken back", func(t *testing.T) {
		f, d := activeDaemon(t)
		answer := f.asked("/api/v1/maintenance", api.Switch{On: true})
		if _, err := d.Maintenance(t.Context(), api.Switch{On: true}, "anna"); err == nil || !strings.Contains(err.Error(), "begun already") {
			t.Errorf("twice: %v", err)
		}
		if _, err := d.Maintenance(t.Context(), api.Switch{}, "anna"); err != nil {
			t.Error(err)
		}
		(<-answer).fails(t, "taken back before it had begun")
		if d.Status().Maintenance || !slices.Contains(f.world.noted(), "stay") || slices.Contains(f.world.noted(), "maintenance on") {
			t.Errorf("%q", f.world.noted())
		}
	})
	t.Run("forced", func(t *testing.T) {
		f, d := activeDaemon(t)
		f.world.mu.Lock()
		f.world.statuses[0].State, f.world.statuses[0].ActiveRouter = vrrp.Active, netip.Addr{}
		f.world.mu.Unlock()
		begun := make(chan struct{})
		answer := make(chan outcome, 1)
		f.world.mu.Lock()
		f.world.retire = func(s *vrrp.Status) { s.Leaving = true; close(begun) }
		f.world.mu.Unlock()
		go func() {
			text, err := d.Maintenance(t.Context(), api.Switch{On: true, Force: true}, "anna")
			answer <- outcome{text, err}
		}()
		<-begun
		f.becomes(func(s *vrrp.Status) { s.State, s.Leaving, s.ActiveRouter = vrrp.Initialize, false, netip.Addr{} }, vrrp.Event{Kind: vrrp.EventState})
		if o := <-answer; o.err != nil || !strings.HasSuffix(o.text, "nobody is known to hold the addresses of edge") {
			t.Errorf("%q, %v", o.text, o.err)
		}
	})
	t.Run("not waited for", func(t *testing.T) {
		f, d := activeDaemon(t)
		if text, err := d.Maintenance(t.Context(), api.Switch{On: true, NoWait: true}, "anna"); err != nil || text != "the way into maintenance has begun" {
			t.Errorf("%q, %v", text, err)
		}
		<-f.world.handed
		f.becomes(takenBack, vrrp.Event{Kind: vrrp.EventHandover})
		f.await(d, func(e events.Event) bool { return e.Kind == "maintenance" && strings.Contains(e.Reason, "refused") }, f.ended)
	})
}

// TestNobodyActiveWarning: addresses that nobody is known to hold are the first thing
// said, before any other error.
func TestNobodyActiveWarning(t *testing.T) {
	f := newFixture(t)
	d, _ := f.start()
	since := time.Now().Add(-time.Hour)
	f.becomes(func(s *vrrp.Status) {
		s.State, s.NobodyActiveSince, s.Reason = vrrp.Initialize, &since, "maintenance"
		s.SplitBrain = &vrrp.SplitBrain{Since: time.Now()}
	}, vrrp.Event{})
	s := d.Status()
	w := s.Warnings[0]
	if w.Kind != "nobody_active" || w.Severity != "error" || w.Subject != "edge" || !w.Since.Equal(since) ||
		w.Text != "nobody is known to hold the addresses: no other director is heard, and this director is initialize: maintenance" {
		t.Errorf("%+v", w)
	}
	if s.Verdict.Level != api.LevelError {
		t.Errorf("verdict %+v", s.Verdict)
	}
}

// TestSplitGroupWarning: members of a sync group that stay active on different
// directors need a person.
func TestSplitGroupWarning(t *testing.T) {
	f := newFixture(t)
	d, _ := f.start()
	split := func(since time.Time, router string) bool {
		f.world.mu.Lock()
		one := f.world.statuses[0]
		one.State, one.Group, one.Since = vrrp.Active, "g", since
		other := one
		other.Name, other.State, other.ActiveRouter = "other", vrrp.Backup, netip.Addr{}
		if router != "" {
			other.ActiveRouter = netip.MustParseAddr(router)
		}
		f.world.statuses = []vrrp.Status{one, other}
		f.world.mu.Unlock()
		return slices.ContainsFunc(d.Status().Warnings, func(w api.Warning) bool {
			return w.Kind == "group_split" && w.Subject == "g" && w.Severity == "error" && strings.Contains(w.Text, "edge is active here, other on 192.0.2.7")
		})
	}
	long := time.Now().Add(-time.Minute)
	if !split(long, "192.0.2.7") {
		t.Error("not told")
	}
	if split(time.Now(), "192.0.2.7") || split(long, "") {
		t.Error("told of a group that is changing, or of a member that nobody holds")
	}
}
