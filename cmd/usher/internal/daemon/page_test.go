package daemon_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/daemon"
	"usher/cmd/usher/internal/page"
	"usher/director"
	"usher/director/ipvstest"
	"usher/healthcheck"
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
	f.parts.Checks = func(h daemon.ChecksHooks) (daemon.Checks, daemon.BFD) {
		p := probe.New(probe.Options{})
		return healthcheck.New(healthcheck.Options{Prober: p, Results: h.Results, Events: h.Events, Observe: h.Observe}), p.BFD()
	}
	f.parts.Director = func(state string, events func(director.Event)) (daemon.Director, error) {
		return director.New(director.Options{Kernel: ipvstest.New(), State: state, Events: events}), nil
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

	ctx := visit(t, "http://"+address)
	show(t, ctx, fmt.Sprintf(`[data-vs=web][data-state=up] [data-rs=%q][data-state=up]`, two))
	same(t, ctx, f)
	kill()
	show(t, ctx, fmt.Sprintf(`[data-vs=web][data-state=up] [data-rs=%q][data-state=down] .pill.bad`, two))
	show(t, ctx, `#events .warning-line`)
	same(t, ctx, f)
	shoot(t, ctx, "server-killed")
	webServer(t, two)
	show(t, ctx, fmt.Sprintf(`[data-rs=%q][data-state=up] .pill.good`, two))
	same(t, ctx, f)
	if n := evaluate[int](t, ctx, `performance.getEntriesByType('navigation').length`); n != 1 {
		t.Errorf("the page was loaded %d times", n)
	}
}

// same compares the page's data with the status, server by server.
func same(t *testing.T, ctx context.Context, f *fixture) {
	t.Helper()
	var s api.Status
	if err := api.Socket(f.socket()).Get(t.Context(), "/api/v1/status", &s); err != nil {
		t.Fatal(err)
	}
	want := []string{s.RouterID}
	for _, i := range s.Instances {
		want = append(want, i.Name+" "+i.State+" "+strings.Join(i.Addresses, " "))
	}
	for _, v := range s.VirtualServers {
		want = append(want, fmt.Sprintf("%s %s %s", v.Name, v.Protocol, v.Address))
		for _, r := range v.RealServers {
			weight := fmt.Sprint(r.Weight)
			if r.EffectiveWeight != r.Weight {
				weight = fmt.Sprintf("%d of %d", r.EffectiveWeight, r.Weight)
			}
			want = append(want, fmt.Sprintf("%s %s %s", r.Address, r.State, weight))
		}
	}
	shown := evaluate[string](t, ctx, `JSON.stringify([
		document.getElementById('router').textContent,
		...[...document.querySelectorAll('[data-instance]')].map(e => [e.dataset.instance, e.dataset.state, e.querySelector('.addresses').textContent].join(' ')),
		...[...document.querySelectorAll('[data-vs]')].flatMap(e => [
			[e.dataset.vs, e.querySelector('.name span').textContent].join(' '),
			...[...e.querySelectorAll('[data-rs]')].map(r => [r.dataset.rs, r.dataset.state, r.children[2].textContent].join(' ')),
		])])`)
	wanted, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if shown != string(wanted) {
		t.Errorf("the page shows\n%s\nthe status says\n%s", shown, wanted)
	}
}

func visit(t *testing.T, url string) context.Context {
	t.Helper()
	ctx := browser.New(t, 1280, 800)
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	return ctx
}

func show(t *testing.T, ctx context.Context, selector string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS(selector))); err != nil {
		t.Fatalf("the page does not show %s: %v", selector, err)
	}
}

func evaluate[T any](t *testing.T, ctx context.Context, script string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// shoot leaves a screenshot for the reader; git ignores the folder.
func shoot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	dir := "../../../../artifacts/screenshots"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		t.Fatal(err)
	}
}
