package daemon_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"usher/cmd/usher/internal/daemon"
	"usher/cmd/usher/internal/events"
	"usher/cmd/usher/internal/logging"
	"usher/cmd/usher/internal/sdnotify"
	"usher/conf"
	"usher/vrrp"
)

// fixture is a daemon on doubles, with a configuration file of its own.
type fixture struct {
	t       *testing.T
	world   *world
	dir     string
	file    string
	machine daemon.Machine
	load    func(context.Context) (*conf.Config, conf.Diagnostics)
	log     *safeBuffer
	hangup  chan os.Signal
	keep    chan os.Signal
	ended   chan error // Run's, of the daemon started last
	notify  *sdnotify.Notifier

	logger  *slog.Logger     // nil for one of log
	control *logging.Control // of logger

	parts    daemon.Components
	pages    map[string]http.Handler
	lastGood string
	strict   bool
	home     string
	watch    []string
	vars     map[string]string
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
		hangup: make(chan os.Signal, 1), keep: make(chan os.Signal, 1),
		notify: &sdnotify.Notifier{},
		machine: daemon.Machine{
			Interfaces:   func() ([]string, error) { return []string{"lo", "eth0"}, nil },
			Capabilities: func() (uint64, error) { return ^uint64(0), nil },
			Networks: func() ([]netip.Prefix, error) {
				return []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("fd00::/64")}, nil
			},
			NeighbourLimit: func(bool) (int, error) { return 1024, nil },
			Addresses:      func(string) ([]vrrp.LocalAddress, error) { return nil, nil },
		},
	}
	f.load = func(ctx context.Context) (*conf.Config, conf.Diagnostics) {
		return new(conf.Loader).LoadContext(ctx, []string{f.file}, f.vars)
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
	log, control := f.logger, f.control
	if log == nil {
		log, control = logging.New(f.log)
	}
	if f.parts.VRRP == nil {
		f.parts = f.world.parts()
	}
	return daemon.New(daemon.Options{
		Version:    "test",
		Load:       f.load,
		Variables:  f.vars,
		Machine:    f.machine,
		Components: f.parts,
		Log:        log,
		Notifier:   f.notify, LogControl: control, Hangup: f.hangup, Keep: f.keep,
		Pages: f.pages, LastGood: f.lastGood, Strict: f.strict, Home: f.home, Watch: f.watch,
	})
}

// start runs a daemon until stop is called, which gives Run's error.
func (f *fixture) start() (d *daemon.Daemon, stop func() error) {
	f.t.Helper()
	d = f.daemon()
	begin := time.Now() // what happened before was a daemon's before this one
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	f.ended = ended
	go func() { ended <- d.Run(ctx) }()
	f.await(d, func(e events.Event) bool { return e.Kind == "start" && !e.Time.Before(begin) }, ended)
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
	limit := time.After(time.Minute)
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
