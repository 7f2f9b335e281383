package daemon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/control"
	"usher/cmd/usher/internal/daemon"
	"usher/cmd/usher/internal/events"
	"usher/cmd/usher/internal/logging"
	"usher/cmd/usher/internal/sdnotify"
	"usher/conf"
	"usher/director"
	"usher/healthcheck"
	"usher/healthcheck/bfd"
	"usher/vrrp"
)

// fixture is a daemon on doubles, with a configuration file of its own.
type fixture struct {
	t       *testing.T
	world   *world
	dir     string
	file    string
	machine daemon.Machine
	log     *safeBuffer
	hangup  chan os.Signal
	notify  func(string) string // environment of sd_notify

	lastGood string
	watch    []string
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newFixture(t *testing.T) *fixture {
	dir := t.TempDir()
	f := &fixture{
		t: t, world: newWorld(), dir: dir, file: filepath.Join(dir, "usher.hcl"), log: &safeBuffer{},
		hangup: make(chan os.Signal, 1),
		notify: func(string) string { return "" },
		machine: daemon.Machine{
			Interfaces:   func() ([]string, error) { return []string{"lo", "eth0"}, nil },
			Capabilities: func() (uint64, error) { return ^uint64(0), nil },
		},
	}
	f.write(f.both("eth0", "web"))
	return f
}

func (f *fixture) socket() string { return filepath.Join(f.dir, "usher.sock") }
func (f *fixture) state() string  { return filepath.Join(f.dir, "state") }

func (f *fixture) global(more string) string {
	return fmt.Sprintf("global {\n  router_id = \"lb1\"\n  state = %q\n  control = %q\n  http = \"\"\n%s}\n", f.state(), f.socket(), more)
}

func (f *fixture) both(dev, name string) string { return f.global("") + instanceOn(dev) + pool(name) }

func instanceOn(dev string) string {
	return fmt.Sprintf(`
vrrp_instance "edge" {
  interface         = %q
  virtual_router_id = 51
  virtual_addresses = ["192.0.2.200/32"]
  track_virtual_server "web" { weight = -20 }
}
`, dev)
}

func pool(name string) string {
	return fmt.Sprintf(`
virtual_server %q {
  address        = "192.0.2.200:80"
  forward_method = "nat"
  health_check "tcp" {}
  real_server "10.0.0.1:80" {}
  real_server "10.0.0.2:80" {}
}
`, name)
}

func (f *fixture) write(text string) {
	f.t.Helper()
	if err := os.WriteFile(f.file, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) daemon() *daemon.Daemon {
	log, control := logging.New(f.log)
	return daemon.New(daemon.Options{
		Version:  "test",
		Load:     func() (*conf.Config, conf.Diagnostics) { return conf.Load([]string{f.file}, nil) },
		Machine:  f.machine,
		Parts:    f.world.parts(),
		Log:      log,
		Notifier: sdnotify.New(f.notify, os.Getpid()), LogControl: control, Hangup: f.hangup,
		LastGood: f.lastGood, Watch: f.watch,
	})
}

// start runs a daemon until stop is called, which gives Run's error.
func (f *fixture) start() (d *daemon.Daemon, stop func() error) {
	f.t.Helper()
	d = f.daemon()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	f.await(d, func(e events.Event) bool { return e.Kind == "start" }, ended)
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() {
			cancel()
			err = <-ended
		})
		return err
	}
	f.t.Cleanup(func() { stop() })
	return d, stop
}

// await waits for an event, or fails when the daemon ends before it.
func (f *fixture) await(d *daemon.Daemon, want func(events.Event) bool, ended <-chan error) {
	f.t.Helper()
	limit := time.After(10 * time.Second)
	for {
		list, _, more := d.Events().List(events.Filter{})
		if slices.ContainsFunc(list, want) {
			return
		}
		select {
		case <-more:
		case err := <-ended:
			f.t.Fatalf("the daemon ended: %v\n%s", err, f.log)
		case <-limit:
			f.t.Fatalf("the event did not come; %+v\n%s", list, f.log)
		}
	}
}

// TestOrder holds start and stop against the order that loses least: room for the
// traffic before VRRP may bring it, and VRRP gone before anything is taken down.
func TestOrder(t *testing.T) {
	for _, c := range []struct{ onStop, last string }{{"", "ipvs cleaned"}, {`  on_stop = "keep"` + "\n", "ipvs kept"}} {
		f := newFixture(t)
		f.write(f.global(c.onStop) + instanceOn("eth0") + pool("web"))
		_, stop := f.start()
		if err := stop(); err != nil {
			t.Fatalf("stop: %v", err)
		}
		want := []string{"director apply", "checks apply", "vrrp apply", "vrrp resigned", "checks ended", "director ended", c.last}
		if got := f.world.noted(); !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		if _, err := os.Stat(f.socket()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the control socket is still there: %v", err)
		}
	}
}

// TestCannotStart: each obstacle gives its message and nothing is changed.
func TestCannotStart(t *testing.T) {
	netRaw := uint64(1) << unix.CAP_NET_RAW
	for _, c := range []struct {
		name    string
		prepare func(*fixture)
		want    []string
	}{
		{"invalid", func(f *fixture) { f.write("vrrp_instance \"x\" {}\n") }, []string{"the configuration is invalid", "usher.hcl:1"}},
		{"no interface", func(f *fixture) { f.write(f.both("eth7", "web")) },
			[]string{`vrrp_instance "edge": interface "eth7" is not there; this machine has lo, eth0`}},
		{"not root", func(f *fixture) {
			f.machine.Capabilities = func() (uint64, error) { return 0, nil }
		}, []string{"usher lacks CAP_NET_ADMIN", "and CAP_NET_RAW", "run it as root"}},
		{"half permitted", func(f *fixture) {
			f.machine.Capabilities = func() (uint64, error) { return netRaw, nil }
		}, []string{"usher lacks CAP_NET_ADMIN (to hold virtual addresses);"}},
		{"no IPVS", func(f *fixture) { f.world.noIPVS = errors.New("the kernel has no IPVS (module ip_vs)") },
			[]string{"virtual servers are configured: the kernel has no IPVS (module ip_vs)"}},
		{"socket served", func(f *fixture) {
			l, err := control.Listen(f.socket())
			if err != nil {
				f.t.Fatal(err)
			}
			f.t.Cleanup(func() { l.Close() })
		}, []string{"the control socket is already served"}},
		{"state is a file", func(f *fixture) {
			if err := os.WriteFile(f.state(), nil, 0o600); err != nil {
				f.t.Fatal(err)
			}
		}, []string{"state folder:", "global.state names another"}},
		{"page's address taken", func(f *fixture) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				f.t.Fatal(err)
			}
			f.t.Cleanup(func() { l.Close() })
			f.write(strings.Replace(f.both("eth0", "web"), `http = ""`, fmt.Sprintf("http = %q", l.Addr()), 1))
		}, []string{"global.http: ", "address already in use"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			c.prepare(f)
			err := f.daemon().Run(t.Context())
			if err == nil {
				t.Fatal("it started")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			if got := f.world.noted(); len(got) != 0 {
				t.Errorf("something was done: %q", got)
			}
			if _, err := os.Stat(f.socket()); c.name != "socket served" && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a control socket was left: %v", err)
			}
		})
	}
}

// TestOnlyWhatIsNeeded: without virtual servers no IPVS is asked for, and without
// instances no VRRP process is started.
func TestOnlyWhatIsNeeded(t *testing.T) {
	f := newFixture(t)
	f.world.noIPVS = errors.New("no IPVS here")
	f.write(f.global("") + strings.Replace(instanceOn("eth0"), `  track_virtual_server "web" { weight = -20 }`+"\n", "", 1))
	_, stop := f.start()
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	f = newFixture(t)
	f.machine.Capabilities = func() (uint64, error) { return 1 << unix.CAP_NET_ADMIN, nil }
	f.write(f.global("") + pool("web"))
	_, stop = f.start()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := f.world.noted(); slices.Contains(got, "vrrp apply") {
		t.Errorf("a VRRP process was started: %q", got)
	}
}

// TestSecondUsherIsRefused: two daemons on one state folder, though the sockets
// differ.
func TestSecondUsherIsRefused(t *testing.T) {
	f := newFixture(t)
	f.start()
	g := newFixture(t)
	g.write(strings.Replace(g.both("eth0", "web"), g.state(), f.state(), 1))
	if err := g.daemon().Run(t.Context()); err == nil || !strings.Contains(err.Error(), "in use by another usher") {
		t.Errorf("second usher on one state folder: %v", err)
	}
	if got := g.world.noted(); len(got) != 0 {
		t.Errorf("it did something: %q", got)
	}
}

func TestReload(t *testing.T) {
	f := newFixture(t)
	d, _ := f.start()
	client := api.Socket(f.socket())
	ctx := t.Context()

	f.write(f.both("eth0", "web") + "nonsense {}\n")
	err := client.Post(ctx, "/api/v1/reload", nil, nil)
	var detailed *api.DetailedError
	if err == nil || !errors.As(err, &detailed) || !strings.Contains(err.Error(), "nothing was changed") || !strings.Contains(detailed.Text, "nonsense {}") {
		t.Fatalf("a bad file: %v", err)
	}
	if s := d.Status(); s.Reload == nil || s.Reload.OK || len(s.VirtualServers) != 1 {
		t.Errorf("status after a bad reload: %+v", s.Reload)
	}

	f.write(f.both("eth9", "web"))
	if err := client.Post(ctx, "/api/v1/reload", nil, nil); err == nil || !strings.Contains(err.Error(), `interface "eth9" is not there`) {
		t.Errorf("a missing interface: %v", err)
	}
	f.write(strings.Replace(f.both("eth0", "web"), f.state(), f.state()+"2", 1))
	if err := client.Post(ctx, "/api/v1/reload", nil, nil); err == nil || !strings.Contains(err.Error(), "global.state cannot change") {
		t.Errorf("another state folder: %v", err)
	}
	if got := f.world.noted(); !slices.Equal(got, []string{"director apply", "checks apply", "vrrp apply"}) {
		t.Errorf("a refused reload did something: %q", got)
	}

	f.write(f.both("eth0", "web") + strings.ReplaceAll(pool("more"), "192.0.2.200:80", "192.0.2.200:81"))
	if err := client.Post(ctx, "/api/v1/reload", nil, nil); err != nil {
		t.Fatalf("a good file: %v", err)
	}
	if s := d.Status(); !s.Reload.OK || len(s.VirtualServers) != 2 {
		t.Errorf("status after a good reload: %+v, %d virtual servers", s.Reload, len(s.VirtualServers))
	}
	for _, e := range []string{"failed", "done"} {
		list, _, _ := d.Events().List(events.Filter{})
		if !slices.ContainsFunc(list, func(x events.Event) bool { return x.Kind == "reload" && x.To == e }) {
			t.Errorf("no event of a reload that is %s", e)
		}
	}
}

// TestKernelRefusesReload: what the director cannot do is rolled back, so that what
// runs is one configuration and not half of two.
func TestKernelRefusesReload(t *testing.T) {
	f := newFixture(t)
	d, _ := f.start()
	f.world.mu.Lock()
	f.world.refuse = errors.New("no such scheduler")
	f.world.mu.Unlock()
	f.write(f.both("eth0", "other"))
	f.write(strings.Replace(f.both("eth0", "web"), "10.0.0.2", "10.0.0.3", 1))
	err := d.Reload(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no such scheduler; the configuration before it is back") {
		t.Fatalf("reload: %v", err)
	}
	if s := d.Status(); s.VirtualServers[0].RealServers[1].Address != "10.0.0.2:80" {
		t.Errorf("after the refusal: %+v", s.VirtualServers[0].RealServers)
	}
}

func TestHangupReloads(t *testing.T) {
	f := newFixture(t)
	d, _ := f.start()
	f.write("broken")
	f.hangup <- unix.SIGHUP
	f.await(d, func(e events.Event) bool { return e.Kind == "reload" && e.To == "failed" && e.Severity == events.Error }, nil)
	f.write(f.both("eth0", "web"))
	f.hangup <- unix.SIGHUP
	f.await(d, func(e events.Event) bool { return e.Kind == "reload" && e.To == "done" }, nil)
}

func TestSteering(t *testing.T) {
	f := newFixture(t)
	d, stop := f.start()
	client := api.Socket(f.socket())
	post := func(path string, in any) error { return client.Post(t.Context(), path, in, nil) }
	n := 7
	for _, err := range []error{
		post("/api/v1/drain", api.Steer{VirtualServer: "web", RealServer: "10.0.0.1:80"}),
		post("/api/v1/weight", api.Steer{VirtualServer: "web", RealServer: "10.0.0.2:80", Weight: &n}),
		post("/api/v1/failover", api.Name{Instance: "edge"}),
		post("/api/v1/maintenance", api.Switch{On: true}),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	want := []string{"override web 10.0.0.1:80 drain", "override web 10.0.0.2:80 weight", "failover edge", "maintenance on"}
	if got := f.world.noted()[3:]; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if by := f.world.over[0].By; by == "" {
		t.Error("nobody is named as the one who drained")
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{post("/api/v1/drain", api.Steer{VirtualServer: "wep", RealServer: "10.0.0.1:80"}), `there is no virtual server "wep"; there is web`},
		{post("/api/v1/drain", api.Steer{VirtualServer: "web", RealServer: "10.0.0.9:80"}), `there is no real server of web "10.0.0.9:80"; there is 10.0.0.1:80, 10.0.0.2:80`},
		{post("/api/v1/drain", api.Steer{VirtualServer: "web", RealServer: "nine"}), "is no address:port"},
		{post("/api/v1/failover", api.Name{Instance: "x"}), `there is no instance "x"; there is edge`},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got %v, want %s", c.err, c.want)
		}
	}
	if !d.Status().Maintenance {
		t.Error("maintenance does not show")
	}

	// It outlives the process.
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	f.world = newWorld()
	f.start()
	if got := f.world.noted(); !slices.Contains(got, "maintenance on") {
		t.Errorf("after a restart: %q", got)
	}
}

// TestTrackedVirtualServer: quorum reaches VRRP, and VRRP's state the director.
func TestTrackedVirtualServer(t *testing.T) {
	f := newFixture(t)
	f.start()
	if got := <-f.world.activated; got != "edge virtual_server/web" {
		t.Fatalf("tracked %q", got)
	}
	f.world.mu.Lock()
	lost := f.world.tracks["edge virtual_server/web"]
	f.world.up["web"] = true
	f.world.mu.Unlock()
	if lost.Weight != -20 || lost.Fault || !strings.Contains(lost.Reason, "virtual_server web is down") {
		t.Errorf("while it is down: %+v", lost)
	}
	f.world.directorEvents(director.Event{Kind: director.EventQuorum, VirtualServer: "web", From: "down", To: "up"})
	<-f.world.activated
	f.world.mu.Lock()
	back := f.world.tracks["edge virtual_server/web"]
	f.world.mu.Unlock()
	if back.Weight != 0 || back.Fault {
		t.Errorf("while it is up: %+v", back)
	}
	f.world.vrrpEvents(vrrp.Event{Kind: vrrp.EventState, Instance: "edge", From: vrrp.Backup, To: vrrp.Active})
	f.world.vrrpEvents(vrrp.Event{Kind: vrrp.EventState, Instance: "edge", From: vrrp.Active, To: vrrp.Backup})
	f.world.hooks.Results(healthcheck.Update{ID: healthcheck.ID{VirtualServer: "web"}})
	if got := f.world.noted()[3:]; !slices.Equal(got, []string{"active edge", "backup edge", "health web"}) {
		t.Errorf("got %q", got)
	}
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	if want := []string{"web up", "edge active", "edge backup"}; !slices.Equal(f.world.told, want) {
		t.Errorf("alerts were told %q, want %q", f.world.told, want)
	}
}

// TestTrackedBFD: a session's state reaches the instance that tracks it, and a
// session that leaves the configuration is forgotten.
func TestTrackedBFD(t *testing.T) {
	f := newFixture(t)
	peer := "bfd \"core\" {\n  address = \"192.0.2.9\"\n}\n"
	f.write(f.global("") + peer + strings.Replace(instanceOn("eth0"), `track_virtual_server "web" { weight = -20 }`, `track_bfd "core" { weight = 0 }`, 1))
	d, _ := f.start()
	f.world.mu.Lock()
	w := f.world.watched["192.0.2.9"]
	f.world.mu.Unlock()
	if w.id < 1<<32 {
		t.Fatalf("session %d is one of the health checks'", w.id)
	}
	for _, c := range []struct {
		change bfd.Change
		fault  bool
	}{{bfd.Change{State: bfd.Down, Reason: "detection time expired"}, true}, {bfd.Change{State: bfd.Up}, false}} {
		w.report(c.change)
		if got := <-f.world.activated; got != "edge bfd/core" {
			t.Fatalf("tracked %q", got)
		}
		f.world.mu.Lock()
		a := f.world.tracks["edge bfd/core"]
		f.world.mu.Unlock()
		if a.Fault != c.fault || !strings.Contains(a.Reason, c.change.Reason) {
			t.Errorf("%+v gives %+v", c.change, a)
		}
	}
	f.write(f.global("") + strings.Replace(instanceOn("eth0"), `  track_virtual_server "web" { weight = -20 }`, "", 1))
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	if len(f.world.watched) != 0 {
		t.Error("the session runs on")
	}
}

// TestStatusDocument pins the names that other programs read.
func TestStatusDocument(t *testing.T) {
	f := newFixture(t)
	f.start()
	var s map[string]any
	if err := api.Socket(f.socket()).Get(t.Context(), "/api/v1/status", &s); err != nil {
		t.Fatal(err)
	}
	has := func(what string, v any, keys ...string) map[string]any {
		m, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("%s is %T", what, v)
		}
		for _, k := range keys {
			if _, ok := m[k]; !ok {
				t.Errorf("%s lacks %q", what, k)
			}
		}
		return m
	}
	first := func(m map[string]any, key string) any { return m[key].([]any)[0] }
	has("status", s, "router_id", "version", "instances", "virtual_servers")
	i := has("instance", first(s, "instances"), "name", "state", "priority", "effective_priority", "active_router",
		"virtual_router_id", "interface", "addresses", "transitions", "since")
	v := has("virtual server", first(s, "virtual_servers"), "name", "address", "protocol", "scheduler", "forward_method", "up", "quorum", "real_servers")
	r := has("real server", first(v, "real_servers"), "address", "forward_method", "weight", "effective_weight", "state", "reason",
		"active_connections", "inactive_connections", "checks")
	c := has("check", first(r, "checks"), "type", "state", "last_error", "latency_ms", "since")
	if i["state"] != "backup" || i["active_router"] != "192.0.2.7" || r["state"] != "up" || c["latency_ms"] != 1.5 {
		b, _ := json.MarshalIndent(s, "", " ")
		t.Errorf("values: %s", b)
	}
}

// TestLastGood: what ran is kept, secrets included, for nobody else to read, and
// runs again where the files are broken at the start.
func TestLastGood(t *testing.T) {
	f := newFixture(t)
	_, stop := f.start()
	info, err := os.Stat(filepath.Join(f.state(), "last-good.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	f.write("broken")
	f.world = newWorld()
	if err := f.daemon().Run(t.Context()); err == nil || len(f.world.noted()) != 0 {
		t.Fatalf("a broken file ran without being asked to: %v", err)
	}
	f.lastGood = f.state()
	d, _ := f.start()
	s := d.Status()
	if len(s.VirtualServers) != 1 || s.Instances[0].Interface != "eth0" {
		t.Errorf("what runs: %+v", s)
	}
	if s.Reload == nil || s.Reload.OK || !strings.Contains(s.Reload.Error, "the last good configuration runs") {
		t.Errorf("it is not told: %+v", s.Reload)
	}
	if !slices.ContainsFunc(s.Warnings, func(w api.Warning) bool { return w.Kind == "reload" }) {
		t.Errorf("no warning: %+v", s.Warnings)
	}
	f.write(f.both("eth0", "web"))
	if err := d.Reload(t.Context()); err != nil || !d.Status().Reload.OK {
		t.Errorf("the mended file: %v", err)
	}
}

// TestWatch: a changed file is reloaded without being asked for, once.
func TestWatch(t *testing.T) {
	f := newFixture(t)
	f.watch = []string{f.file}
	d, _ := f.start()
	f.write("broken")
	f.await(d, func(e events.Event) bool { return e.Kind == "reload" && e.To == "failed" }, nil)
	f.write(f.both("eth0", "web") + "# changed\n")
	f.await(d, func(e events.Event) bool { return e.Kind == "reload" && e.To == "done" }, nil)
}

// TestServiceManager: systemd hears of the start, a reload and the stop.
func TestServiceManager(t *testing.T) {
	f := newFixture(t)
	path := filepath.Join(f.dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	f.notify = func(key string) string {
		if key == "NOTIFY_SOCKET" {
			return path
		}
		return ""
	}
	next := func(want string) {
		t.Helper()
		buf := make([]byte, 512)
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(buf)
		if err != nil || !strings.HasPrefix(string(buf[:n]), want) {
			t.Fatalf("got %q, %v, want %s", buf[:n], err, want)
		}
	}
	d, stop := f.start()
	next("READY=1\nSTATUS=1 instance, 1 virtual server")
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	next("RELOADING=1\nMONOTONIC_USEC=")
	next("READY=1")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	next("STOPPING=1")
}
