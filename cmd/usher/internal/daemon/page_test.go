package daemon_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/daemon"
	"usher/cmd/usher/internal/page"
	"usher/director"
	"usher/director/engine"
	"usher/director/ipvstest"
	checkengine "usher/healthcheck/engine"
	"usher/healthcheck/probe"
	"usher/test/browser"
)

// webServer answers at a free port of loopback until it is killed.
func webServer(t *testing.T, address string) (at string, kill func()) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })}
	served := make(chan struct{})
	go func() {
		defer close(served)
		s.Serve(l)
	}()
	kill = func() {
		s.Close()
		<-served
	}
	t.Cleanup(kill)
	return l.Addr().String(), kill
}

// TestPageOfARunningDaemon: real servers, real checks and a real director, on the
// double of the kernel: a server that is killed turns red on the page without its
// being loaded again, and green when it is back; and what the page shows is what
// the status says.
func TestPageOfARunningDaemon(t *testing.T) {
	f := newFixture(t)
	f.parts = f.world.parts()
	f.parts.Checks = func(h daemon.ChecksHandlers) (daemon.Checks, daemon.BFD) {
		p := probe.New(probe.Options{})
		return checkengine.New(checkengine.Options{Prober: p, Results: h.Results, Events: h.Events, Observe: h.Observe}), p.BFD()
	}
	f.parts.Director = func(state string, events func(director.Event)) (daemon.Director, error) {
		return engine.New(engine.Options{Kernel: ipvstest.New(), State: state, Events: events}), nil
	}
	f.pages = map[string]http.Handler{"GET /{$}": page.Handler()}
	one, _ := webServer(t, "127.0.0.1:0")
	two, kill := webServer(t, "127.0.0.2:0")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	f.write(strings.Replace(f.global(""), `http = ""`, fmt.Sprintf("http = %q", address), 1) + instanceOn("eth0") + fmt.Sprintf(`
virtual_server "web" {
  address        = "192.0.2.200:80"
  forward_method = "nat"
  health_check "http" {
    interval = "200ms"
    rise     = 1
    fall     = 2
  }
  real_server %q {}
  real_server %q { weight = 7 }
}
`, one, two))
	f.start()

	ctx := browser.Visit(t, "http://"+address)
	status := func() ([]byte, error) {
		var text json.RawMessage
		err := api.Socket(f.socket()).Get(t.Context(), "/api/v1/status", &text)
		return text, err
	}
	browser.Show(t, ctx, fmt.Sprintf(`[data-vs=web][data-state=up] [data-rs=%q][data-state=up]`, two))
	browser.Same(t, ctx, status)
	kill()
	browser.Show(t, ctx, fmt.Sprintf(`[data-vs=web][data-state=up] [data-rs=%q][data-state=down] .pill.bad`, two))
	browser.Show(t, ctx, `#events .warning-line`)
	browser.Same(t, ctx, status)
	browser.Shoot(t, ctx, "server-killed")
	webServer(t, two)
	browser.Show(t, ctx, fmt.Sprintf(`[data-rs=%q][data-state=up] .pill.good`, two))
	browser.Same(t, ctx, status)
	browser.Once(t, ctx)
	pageAgrees(t, ctx)
}
