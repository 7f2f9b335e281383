package vrrpproc

import (
	"context"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/cmd/usher/internal/logging"
	"usher/healthcheck/redact"
	"usher/vrrp"
	"usher/vrrp/engine"
	"usher/vrrp/vip"
	"usher/vrrp/vip/viptest"
)

// TestSecretsOfTheChild: the log of the child is a process of its own, and is told what it
// may not show with each configuration, and again when another child takes over.
func TestSecretsOfTheChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		told := func(when string) {
			t.Helper()
			synctest.Wait()
			select {
			case values := <-w.hidden:
				if !slices.Equal(values, []string{"canary"}) {
					t.Errorf("%s: %q", when, values)
				}
			default:
				t.Errorf("%s: nothing is concealed", when)
			}
		}
		if err := w.Apply(desired("web")); err != nil {
			t.Fatal(err)
		}
		told("the first configuration")
		if err := w.Apply(desired("web", "mail")); err != nil {
			t.Fatal(err)
		}
		told("a reload")
		w.mu.Lock()
		conn := w.conns[0]
		w.mu.Unlock()
		_ = conn.Close()
		pass(10 * time.Second)
		told("another child")
	})
}

// TestSecretsOfTheGuard: so is the guard's log, before the guard hears of anything that
// would show them.
func TestSecretsOfTheGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		daemon, conn := net.Pipe()
		willing, heir := net.Pipe()
		parent, parentEnd := net.Pipe()
		var out strings.Builder
		log, control := logging.New(&out)
		if err := control.Set("debug", "text"); err != nil {
			t.Fatal(err)
		}
		var secrets redact.Live
		control.Conceal(secrets.Text)
		kernel := &viptest.Kernel{}
		kernel.AddLink("eth0")
		guard, child := make(chan bool, 1), make(chan error, 1)
		go func() {
			guard <- RunGuard(GuardOptions{Log: log, Conceal: secrets.Know, Child: heir, Parent: parentEnd,
				Send: func(engine.Outgoing) error { return nil }, Remove: kernel.Remove})
		}()
		go func() {
			child <- RunChild(context.Background(), conn, ChildOptions{
				Log: slog.New(slog.DiscardHandler), Kernel: kernel, Guard: willing,
				Loop: func(m *vip.Manager, events func(vrrp.Event), _ func(string, []engine.Outgoing)) Loop {
					return &loop{m: m, events: events, queue: make(chan func(time.Time, *engine.Engine), 100), sent: make(chan uint8, 100), refuse: func() error { return nil }}
				},
			})
		}()
		go func() { _, _ = io.Copy(io.Discard, daemon) }()
		d := desired("canary")
		if err := writeMessage(daemon, message{Apply: &d, Secrets: []string{"canary"}}); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		_ = daemon.Close()
		if err := <-child; err != nil {
			t.Error(err)
		}
		_ = parent.Close()
		<-guard
		if text := out.String(); !strings.Contains(text, "last will\" instance=(hidden)") || strings.Contains(text, "canary") {
			t.Errorf("the guard's log: %s", text)
		}
	})
}

// TestGuardsAreToldSecrets: each guard that comes after another is told as well, first.
func TestGuardsAreToldSecrets(t *testing.T) {
	w := newWills(7)
	w.conceal([]string{"canary"})
	w.objects("web", []vip.Object{lastWill.LocalRoutes[0]})
	for _, guard := range []string{"the first", "the second"} {
		told := w.take()
		if len(told) != 3 || !slices.Equal(told[1].Secrets, []string{"canary"}) || told[2].Will == nil {
			t.Errorf("%s is told %+v", guard, told)
		}
		if more := w.take(); len(more) > 0 {
			t.Errorf("%s is told %+v when nothing changed", guard, more)
		}
		w.again()
	}
}
