package page_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/api/apitest"
	"usher/cmd/usher/internal/events"
	"usher/cmd/usher/internal/page"
	"usher/test/browser"
)

// status is a director with so many virtual servers of so many real servers.
func status(pools, servers int) api.Status {
	since := time.Now().Add(-73 * time.Minute)
	s := api.Status{
		RouterID: "lb1", Version: "1.0.0", Started: since, Warnings: []api.Warning{},
		Instances: []api.Instance{
			{Name: "web", State: "active", Priority: 150, EffectivePriority: 150, ActiveRouter: "192.168.60.2", VirtualRouterID: 51, Interface: "eth0", Version: 3,
				Addresses: []string{"192.168.60.200/32", "2001:db8::200/128"}, Transitions: 2, Since: since, Reason: "took over: heard no other director for 3.4 s", Held: true,
				Statistics: api.Statistics{AdvertsSent: 4380, AdvertsReceived: 12}},
			{Name: "mail", State: "backup", Priority: 100, EffectivePriority: 80, ActiveRouter: "192.168.60.3", VirtualRouterID: 52, Interface: "eth0", Version: 3,
				Addresses: []string{"192.168.60.201/32"}, Transitions: 1, Since: since, Reason: "192.168.60.3 advertises priority 120",
				Tracks:     []api.Track{{Name: "script/postfix", Weight: -20, Reason: "script postfix: exit status 1"}},
				Statistics: api.Statistics{AdvertsReceived: 4377, Discarded: map[string]uint64{"ip_ttl_error": 3}}},
		},
	}
	for p := range pools {
		v := api.VirtualServer{
			Name: fmt.Sprintf("pool%d", p), Address: fmt.Sprintf("192.168.%d.%d:80", 60+p/250, p%250+1), Protocol: "tcp", Scheduler: "wlc",
			ForwardMethod: "dr", Up: true, Quorum: 1, Since: since, RealServers: []api.RealServer{},
			Counters: api.Counters{Connections: 1834332, BytesIn: 923847234, BytesOut: 88123847234, ConnectionRate: uint64(120 + p%30)},
		}
		for i := range 60 {
			wave := 30*math.Sin(float64(i+p*7)/6) + 12*math.Sin(float64(i*i+p))
			v.History = append(v.History, uint64(120+wave))
		}
		for r := range servers {
			v.RealServers = append(v.RealServers, api.RealServer{
				Address: fmt.Sprintf("10.%d.%d.%d:80", p/250, p%250, r+1), ForwardMethod: "dr", Weight: 10, EffectiveWeight: 10, State: "up", Since: since,
				ActiveConnections: uint32(40 + r), InactiveConnections: uint32(200 + r),
				Counters: api.Counters{ConnectionRate: 12, ByteRateIn: 9000, ByteRateOut: 1230000, Connections: 183433},
				Checks:   []api.Check{{Type: "http", State: "up", LatencyMS: 1.7, Since: since}},
			})
		}
		s.VirtualServers = append(s.VirtualServers, v)
	}
	return s
}

// fixture is the page in a browser.
type fixture struct {
	*apitest.Backend
	url    string
	ctx    context.Context
	mu     sync.Mutex
	faults []string // what the browser complained of, and requests to elsewhere
}

func open(t *testing.T, s api.Status) *fixture {
	t.Helper()
	f := &fixture{Backend: apitest.New(s)}
	server := httptest.NewServer(api.Handler(f.Backend, http.NotFoundHandler(), false, map[string]http.Handler{"GET /{$}": page.Handler()}))
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	f.url = server.URL
	ctx, cancel := context.WithTimeout(browser.New(t, 1360, 900), 4*time.Minute)
	t.Cleanup(cancel)
	f.ctx = ctx
	if err := chromedp.Listen(ctx, f.listen); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	f.do(t, chromedp.Navigate(f.url), chromedp.WaitVisible(chromedp.CSS(`.live`)))
	browser.Mark(t, f.ctx)
	t.Cleanup(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, fault := range f.faults {
			t.Error(fault)
		}
	})
	return f
}

func (f *fixture) listen(event any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, f.url) && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "about:") {
			f.faults = append(f.faults, "the page asked for an outside resource: "+u)
		}
	case *runtime.EventExceptionThrown:
		f.faults = append(f.faults, "exception in the page: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		f.faults = append(f.faults, fmt.Sprintf("the page wrote to the console: %v", e.Args))
	}
}

func (f *fixture) do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(f.ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

func get[T any](t *testing.T, f *fixture, action chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(f.ctx, action)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (f *fixture) text(t *testing.T, script string) string {
	t.Helper()
	return get(t, f, chromedp.Evaluate[string](script))
}

// TestServersHaveAPast: the graph of a real server begins with what the daemon
// remembers, before the page was opened.
func TestServersHaveAPast(t *testing.T) {
	f := open(t, status(2, 2))
	f.do(t, chromedp.WaitVisible(chromedp.CSS(`[data-vs=pool0] [data-rs] svg.spark`)))
	for server, want := range map[string]string{
		"10.0.0.1:80": "Active connections, last ten minutes: now 40, at most 40; 4 values", // the double's 1, 2 and 3, and now
		"10.0.0.2:80": "Active connections, last ten minutes: now 41, at most 41; 2 values", // nothing, and now
	} {
		got := f.text(t, fmt.Sprintf(`(svg => svg.getAttribute('aria-label') + '; ' + svg.lastChild.getAttribute('d').split(/[ML]/).slice(1).length + ' values')
			(document.querySelector('[data-vs=pool0] [data-rs=%q] svg.spark'))`, server))
		if got != want {
			t.Errorf("%s: %q, want %q", server, got, want)
		}
	}
}

// verdict is the page's first line.
const verdict = `document.getElementById('verdict').textContent`

// TestAServerDies: red without a reload, the warning on top, the event below, and
// the page says so when the daemon is gone.
func TestAServerDies(t *testing.T) {
	f := open(t, status(3, 4))
	f.do(t, chromedp.WaitVisible(chromedp.CSS(`[data-vs=pool1] [data-rs="10.0.1.2:80"][data-state=up]`)))
	browser.Shoot(t, f.ctx, "calm")
	if got := f.text(t, verdict); got != "nobody is needed: active for web; backup for mail; 12 of 12 real servers up" {
		t.Errorf("verdict %q", got)
	}
	f.Change(func(s *api.Status) {
		r := &s.VirtualServers[1].RealServers[1]
		r.State, r.EffectiveWeight, r.Since, r.Reason = "down", 0, time.Now(), "http: connection refused"
		r.Checks = []api.Check{{Type: "http", State: "down", LastError: "connection refused"}}
	})
	f.do(t, chromedp.WaitVisible(chromedp.CSS(`[data-vs=pool1] [data-rs="10.0.1.2:80"][data-state=down]`)))
	if got := f.text(t, verdict); got != "worth a look: 1 of 12 real servers is down; every service goes on" {
		t.Errorf("verdict %q", got)
	}
	f.Change(func(s *api.Status) {
		gone := &s.VirtualServers[1].RealServers[3]
		gone.State, gone.Removed, gone.EffectiveWeight, gone.Reason = "draining", true, 0, "removed by a reload; out when its connections are gone"
		s.VirtualServers[2].Up = false
		for i := range s.VirtualServers[2].RealServers {
			s.VirtualServers[2].RealServers[i].State = "down"
		}
		s.Instances[0].SplitBrain = &api.SplitBrain{Address: "192.168.60.3", Priority: 100, Since: time.Now()}
		s.Warnings = []api.Warning{
			{Severity: "error", Kind: "split_brain", Subject: "web", Text: "split brain: 192.168.60.3 (priority 100) is active, too", Since: time.Now()},
			{Severity: "error", Kind: "quorum", Subject: "pool2", Text: "quorum lost, the sorry server answers", Since: time.Now()},
			{Severity: "warning", Kind: "drift", Subject: "pool1", Text: "the weight of 10.0.1.1:80 was 1, put back to 10", Since: time.Now()},
		}
	})
	f.Events().Add(events.Event{Severity: events.Warning, Kind: "real_server", VirtualServer: "pool1", RealServer: "10.0.1.2:80", From: "up", To: "down", Reason: "http: connection refused"})
	f.do(t,
		chromedp.WaitVisible(chromedp.CSS(`[data-vs=pool1] [data-rs="10.0.1.2:80"][data-state=down]`)),
		chromedp.WaitVisible(chromedp.CSS(`#warnings .error[data-kind=split_brain]`)),
		chromedp.WaitVisible(chromedp.CSS(`[data-vs=pool2][data-state=down]`)),
		chromedp.WaitVisible(chromedp.CSS(`#events .warning-line`)))
	if got := f.text(t, `[...document.querySelectorAll('#warnings .warning')].map(e => e.querySelector('.word').textContent).join(' ')`); got != "error error warning" {
		t.Errorf("the severities in words, not by colour alone: %q", got)
	}
	if got := f.text(t, `document.querySelector('[data-rs="10.0.1.2:80"]').innerText`); strings.Count(got, "connection refused") != 1 {
		t.Errorf("the reason stands once: %q", got)
	}
	if got := f.text(t, `document.querySelector('[data-vs=pool1] [data-rs="10.0.1.4:80"]').innerText`); !strings.Contains(got, "draining") || !strings.Contains(got, "removed by a reload") {
		t.Errorf("a server that a reload removed: %q", got)
	}
	red := f.text(t, `getComputedStyle(document.querySelector('[data-rs="10.0.1.2:80"] .pill')).color`)
	green := f.text(t, `getComputedStyle(document.querySelector('[data-rs="10.0.1.1:80"] .pill')).color`)
	if red == green {
		t.Errorf("a dead server looks like a living one: %s", red)
	}
	if got := f.text(t, `document.title`); got != "(3) lb1: active for web" {
		t.Errorf("title %q", got)
	}
	if got := f.text(t, verdict); got != "a person is needed: web: split brain: 192.168.60.3 (priority 100) is active, too (and 1 more error, 1 more warning)" {
		t.Errorf("verdict %q", got)
	}
	// The one that is down stands first, then the one with a server down.
	if got := f.text(t, `[...document.querySelectorAll('[data-vs]')].map(e => e.dataset.vs).join(' ')`); got != "pool2 pool1 pool0" {
		t.Errorf("order %s", got)
	}
	browser.Once(t, f.ctx)
	browser.Shoot(t, f.ctx, "trouble")
	browser.Dark(t, f.ctx)
	browser.Shoot(t, f.ctx, "trouble-dark")
	browser.Phone(t, f.ctx)
	browser.Shoot(t, f.ctx, "trouble-phone")
}

// TestTenThousandServers: the page stays usable with 1,000 virtual servers of 10.
func TestTenThousandServers(t *testing.T) {
	start := time.Now()
	f := open(t, status(1000, 10))
	f.do(t, chromedp.WaitReady(chromedp.CSS(`[data-vs=pool999]`)))
	t.Logf("all 1,000 rows are there after %v with the start of the browser, %.0f ms of it loading the page; %s elements", time.Since(start).Round(time.Millisecond),
		get(t, f, chromedp.Evaluate[float64](`first`)), f.text(t, `document.getElementsByTagName('*').length + ''`))
	if got := f.text(t, `document.getElementById('counts').textContent`); got != "1000 of 1000 up, 10000 of 10000 real servers up" {
		t.Errorf("counts: %q", got)
	}
	browser.ShootTop(t, f.ctx, "thousand")
	f.do(t,
		chromedp.SendKeys(chromedp.CSS(`#filter`), "pool77"),
		chromedp.WaitNotVisible(chromedp.CSS(`[data-vs=pool7]`)), // the whole word is in, and nothing moves any more
		chromedp.Click(chromedp.CSS(`[data-vs=pool777] summary`)),
		chromedp.WaitVisible(chromedp.CSS(`[data-rs="10.3.27.10:80"]`)),
		chromedp.WaitVisible(chromedp.CSS(`[data-vs=pool777] .squares i:nth-of-type(10)`)))
	f.Change(func(s *api.Status) {
		for i := range s.VirtualServers { // every row changes
			s.VirtualServers[i].Counters.ConnectionRate += 7
		}
		s.VirtualServers[777].RealServers[9].State = "down"
	})
	f.do(t, chromedp.WaitVisible(chromedp.CSS(`[data-rs="10.3.27.10:80"][data-state=down]`)))
	// One patch of everything, as the page does it, must not hold up a person.
	took := get(t, f, chromedp.Evaluate[float64](`(() => {
		const rows = [...pools.values()].map(r => ({...r.pool, counters: {...r.pool.counters, connections_per_second: 9}}));
		const t = performance.now();
		applyPatch({status: {...head}, virtual_servers: rows});
		return performance.now() - t;
	})()`))
	t.Logf("a patch of all 1,000 virtual servers took %.0f ms", took)
	if took > 5000 { // some 30 ms on a machine that is not busy
		t.Errorf("a patch of all 1,000 virtual servers took %.0f ms", took)
	}
}
