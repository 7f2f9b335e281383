package engine_test

import (
	"context"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"usher/healthcheck"
	"usher/healthcheck/engine"
)

// TestCannotRun: checks that cannot be carried out are told of once, keep what was known,
// say why nothing is known yet, and are well again by themselves.
func TestCannotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const gone = "/plugin cannot be run: no such file or directory"
		var broken atomic.Bool
		broken.Store(true)
		var events []healthcheck.Event
		e := engine.New(engine.Options{
			Prober: engine.ProberFunc(func(context.Context, *healthcheck.Check) healthcheck.Result {
				if broken.Load() {
					return healthcheck.Result{CannotRun: true, Reason: gone}
				}
				return healthcheck.Result{Outcome: healthcheck.Pass}
			}),
			Events: func(ev healthcheck.Event) { events = append(events, ev) },
		})
		var targets []healthcheck.Target
		for _, server := range []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"} {
			at := netip.MustParseAddrPort(server)
			targets = append(targets, healthcheck.Target{
				ID: healthcheck.ID{VirtualServer: "web", RealServer: at},
				Checks: []healthcheck.Check{{Type: healthcheck.TypeExec, Address: at, Interval: time.Second, Timeout: time.Second, Rise: 1, Fall: 1,
					Exec: &healthcheck.Exec{Command: []string{"/plugin"}}}},
			})
		}
		if err := e.Apply(targets); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		step := func(state healthcheck.State, reason, unable string, told ...healthcheck.EventKind) {
			t.Helper()
			time.Sleep(5 * time.Second) // of the bubble
			synctest.Wait()
			for _, s := range e.Statuses() {
				if s.Verdict.State != state || s.Verdict.Reason != reason {
					t.Errorf("%s is %s: %q; want %s: %q", s.ID.RealServer, s.Verdict.State, s.Verdict.Reason, state, reason)
				}
				if c := s.Checks[0]; c.CannotRun != unable || c.CannotRunSince.IsZero() != (unable == "") {
					t.Errorf("%s cannot run %q since %s; want %q", s.ID.RealServer, c.CannotRun, c.CannotRunSince, unable)
				}
			}
			var kinds []string
			for _, ev := range events {
				kinds = append(kinds, string(ev.Kind))
				if ev.ID.VirtualServer != "web" || ev.Check != "exec" {
					t.Errorf("event %+v", ev)
				}
			}
			var want []string
			for _, k := range told {
				want = append(want, string(k))
			}
			if strings.Join(kinds, " ") != strings.Join(want, " ") {
				t.Errorf("events %v; want %v", kinds, want)
			}
			events = nil
		}
		step(healthcheck.Down, "never probed: exec cannot run: "+gone, gone, healthcheck.EventCannotRun)
		broken.Store(false)
		step(healthcheck.Up, "exec: passed", "", healthcheck.EventCanRun)
		broken.Store(true)
		step(healthcheck.Up, "exec: passed", gone, healthcheck.EventCannotRun)
		if err := e.Apply(nil); err != nil { // what is taken out is no news
			t.Fatal(err)
		}
		step(healthcheck.Up, "", "")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestReasonsArePrintable: whatever a check's reason holds, no terminal obeys it.
func TestReasonsArePrintable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got healthcheck.Update
		e := engine.New(engine.Options{
			Prober: engine.ProberFunc(func(context.Context, *healthcheck.Check) healthcheck.Result {
				return healthcheck.Result{Outcome: healthcheck.Fail, Reason: "the certificate is for \x1b[2J\r\nok\u202e"}
			}),
			Results: func(u healthcheck.Update) { got = u },
		})
		at := netip.MustParseAddrPort("10.0.0.1:80")
		if err := e.Apply([]healthcheck.Target{{ID: healthcheck.ID{VirtualServer: "web", RealServer: at}, Checks: []healthcheck.Check{
			{Type: healthcheck.TypeTCP, Address: at, Interval: time.Second, Timeout: time.Second, Rise: 1, Fall: 1}}}}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		time.Sleep(time.Second)
		synctest.Wait()
		const want = `the certificate is for \x1b[2J\r\nok\u202e`
		s, _ := e.Status(healthcheck.ID{VirtualServer: "web", RealServer: at})
		if got.Verdict.Reason != "tcp: "+want || s.Checks[0].LastError != want {
			t.Errorf("verdict %q, last error %q", got.Verdict.Reason, s.Checks[0].LastError)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
