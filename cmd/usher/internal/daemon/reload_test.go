package daemon_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/daemon"
	"usher/cmd/usher/internal/events"
	"usher/vrrp"
)

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

// TestBlankReload: a file that is empty, as one is that is being written anew, takes
// nothing out.
func TestBlankReload(t *testing.T) {
	f := newFixture(t)
	d, _ := f.start()
	before := d.Status()
	f.write("# nothing but this\n")
	if err := d.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing in the configuration; nothing was changed") {
		t.Errorf("it says %v", err)
	}
	if s := d.Status(); len(s.Instances) != len(before.Instances) || len(s.VirtualServers) != len(before.VirtualServers) || len(s.VirtualServers) == 0 {
		t.Errorf("%d instances and %d virtual servers are left", len(s.Instances), len(s.VirtualServers))
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
	// The director had no server of that name for a moment, and the checks, which did not
	// change, have nothing new to say of it.
	got := f.world.noted()
	slices.Reverse(got)
	if health, applied := slices.Index(got, "health web 10.0.0.2:80"), slices.Index(got, "director apply"); health < 0 || applied < health {
		t.Errorf("asked, newest first, %q; want the director told of 10.0.0.2 after the configuration is back", got)
	}
}

// TestDirectorThatComesLater is told which instances are active: the synchronisation
// daemon of a director that gets its first virtual servers follows them.
func TestDirectorThatComesLater(t *testing.T) {
	f := newFixture(t)
	alone := strings.Replace(instanceOn("eth0"), `  track_virtual_server "web" { weight = -20 }`, "", 1)
	f.write(f.global("") + alone + strings.NewReplacer("edge", "other", "51", "52", ".200", ".201").Replace(alone))
	d, _ := f.start()
	change := func(instance string, from, to vrrp.State) {
		f.world.vrrpEvents(vrrp.Event{Kind: vrrp.EventState, Instance: instance, From: from, To: to})
	}
	change("edge", vrrp.Backup, vrrp.Active)
	change("other", vrrp.Backup, vrrp.Active)
	change("other", vrrp.Active, vrrp.Backup)
	f.write(f.both("eth0", "web"))
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := f.world.noted()
	active, applied := slices.Index(got, "active edge"), slices.Index(got, "director apply")
	if active < 0 || applied < active || slices.Contains(got, "active other") {
		t.Errorf("asked %q; want the director told of the active instance before it is configured, and of no other", got)
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

// TestWordOfAnotherStateFolder: the folder that the service manager gave says where
// the state is, for as long as it is elsewhere.
func TestWordOfAnotherStateFolder(t *testing.T) {
	f := newFixture(t)
	f.home = t.TempDir()
	for range 2 {
		_, stop := f.start()
		if got := daemon.StateAt(f.home); got != f.state() {
			t.Errorf("the state is said to be at %s, and is at %s", got, f.state())
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	f.write(strings.Replace(f.both("eth0", "web"), f.state(), f.home, 1))
	_, stop := f.start()
	if got := daemon.StateAt(f.home); got != f.home {
		t.Errorf("the state is said to be at %s, and is at %s", got, f.home)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	f.home = filepath.Join(f.dir, "none")
	if err := f.daemon().Run(t.Context()); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// TestLastGood: what ran is kept, secrets included, for nobody else to read, and
// runs again where the files are broken at the start.
func TestLastGood(t *testing.T) {
	f := newFixture(t)
	d, stop := f.start()
	info, err := os.Stat(filepath.Join(f.state(), "last-good.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info, err)
	}
	f.write(f.both("eth0", "web") + strings.ReplaceAll(pool("db"), ":80", ":81"))
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil { // at the latest then that of the reload is kept
		t.Fatal(err)
	}

	f.write("broken")
	f.world, f.parts = newWorld(), daemon.Components{}
	if err := f.daemon().Run(t.Context()); err == nil || len(f.world.noted()) != 0 {
		t.Fatalf("a broken file ran without being asked to: %v", err)
	}
	f.lastGood = f.state()
	d, _ = f.start()
	s := d.Status()
	if len(s.VirtualServers) != 2 || s.Instances[0].Interface != "eth0" {
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

// TestLeftovers: what a process that was killed in the middle of a write left in the
// state folder, and in the service manager's, is gone once another runs.
func TestLeftovers(t *testing.T) {
	f := newFixture(t)
	f.home = t.TempDir()
	if err := os.Mkdir(f.state(), 0o750); err != nil {
		t.Fatal(err)
	}
	others := filepath.Join(f.state(), ".real-server.json12") // may be under way
	left := []string{
		filepath.Join(f.state(), ".last-good.json12"), filepath.Join(f.state(), "last-good.json.12"),
		filepath.Join(f.state(), ".maintenance12"), filepath.Join(f.home, ".elsewhere12"),
	}
	for _, path := range append(left, others) {
		if err := os.WriteFile(path, []byte("half of a fi"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, stop := f.start()
	for _, path := range left {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
	if _, err := os.Stat(others); err != nil {
		t.Error(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
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
