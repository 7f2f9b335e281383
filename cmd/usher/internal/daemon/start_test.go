package daemon_test

import (
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
	"usher/cmd/usher/internal/events"
	"usher/cmd/usher/internal/sdnotify"
)

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

// TestFailedStartKeeps: a daemon that cannot take over what the one before it left, to
// be kept, leaves it, too.
func TestFailedStartKeeps(t *testing.T) {
	f := newFixture(t)
	f.write(f.global("  on_stop = \"keep\"\n") + instanceOn("eth0") + pool("web"))
	f.world.refuse = errors.New("no such scheduler")
	if err := f.daemon().Run(t.Context()); err == nil || !strings.Contains(err.Error(), "no such scheduler") {
		t.Fatalf("start: %v", err)
	}
	if got := f.world.noted(); got[len(got)-1] != "ipvs kept" {
		t.Errorf("got %q", got)
	}
}

// TestStopThatKeeps: for an upgrade IPVS stays, though on_stop is clean.
func TestStopThatKeeps(t *testing.T) {
	f := newFixture(t)
	_, stop := f.start()
	f.keep <- unix.SIGUSR1
	if err := <-f.ended; err != nil {
		t.Fatal(err)
	}
	f.ended <- nil
	if got := f.world.noted(); got[len(got)-1] != "ipvs kept" {
		t.Errorf("got %q", got)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
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
		{"no interface, strict", func(f *fixture) { f.strict = true; f.write(f.both("eth7", "web")) },
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

// TestInterfaceNotThereAtStart: everything else runs; what becomes of the instance is the
// VRRP process's to say. A reload that names another such interface changes nothing.
func TestInterfaceNotThereAtStart(t *testing.T) {
	f := newFixture(t)
	f.write(f.both("eth7", "web"))
	d, stop := f.start()
	if got := f.world.noted(); !slices.Contains(got, "vrrp apply") || !slices.Contains(got, "director apply") {
		t.Errorf("got %q", got)
	}
	if err := d.Reload(t.Context()); err != nil {
		t.Errorf("reload of the same: %v", err)
	}
	f.write(f.both("eth8", "web"))
	if err := d.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), `interface "eth8" is not there`) {
		t.Errorf("reload: %v", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
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

// manager is a service manager's side of sd_notify.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

// managed has a fixture's daemon tell a service manager, which wants to hear within
// watchdog that it is alive; 0 for never.
func (f *fixture) managed(watchdog time.Duration) *manager {
	f.t.Helper()
	path := filepath.Join(f.dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { conn.Close() })
	f.t.Setenv("NOTIFY_SOCKET", path)
	f.t.Setenv("WATCHDOG_USEC", fmt.Sprint(watchdog.Microseconds()))
	f.notify = sdnotify.New()
	return &manager{f.t, conn}
}

// next awaits what is said next, lines on how the daemon stands apart.
func (m *manager) next(want string) {
	m.t.Helper()
	buf := make([]byte, 512)
	if err := m.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		m.t.Fatal(err)
	}
	n, err := m.conn.Read(buf)
	for err == nil && strings.HasPrefix(string(buf[:n]), "STATUS=") && !strings.HasPrefix(want, "STATUS=") {
		n, err = m.conn.Read(buf)
	}
	if err != nil || !strings.HasPrefix(string(buf[:n]), want) {
		m.t.Fatalf("got %q, %v, want %s", buf[:n], err, want)
	}
}

// said is everything that was said and not heard yet.
func (m *manager) said() (all []string) {
	m.t.Helper()
	raw, err := m.conn.SyscallConn()
	if err != nil {
		m.t.Fatal(err)
	}
	buf := make([]byte, 512)
	raw.Control(func(fd uintptr) {
		for {
			n, _, err := unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT)
			if err != nil {
				return
			}
			all = append(all, string(buf[:n]))
		}
	})
	return all
}

// TestServiceManager: systemd hears of the start, a reload and the stop.
func TestServiceManager(t *testing.T) {
	f := newFixture(t)
	m := f.managed(0)
	d, stop := f.start()
	m.next("READY=1\nSTATUS=1 instance, 1 virtual server")
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.next("RELOADING=1\nMONOTONIC_USEC=")
	m.next("READY=1")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	m.next("STOPPING=1")
}

// TestStanding: systemd's line on usher is the verdict, and follows what happens.
func TestStanding(t *testing.T) {
	f := newFixture(t)
	m := f.managed(0)
	d, _ := f.start()
	m.next("READY=1\nSTATUS=1 instance, 1 virtual server")
	m.next("STATUS=a person is needed: web: for the test")
	if _, err := d.Maintenance(t.Context(), api.Switch{On: true, Force: true, NoWait: true}, "root"); err != nil {
		t.Fatal(err)
	}
	m.next("STATUS=a person is needed: web: for the test (and 1 more warning)")
	if _, err := d.Maintenance(t.Context(), api.Switch{}, "root"); err != nil {
		t.Fatal(err)
	}
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.next("RELOADING=1")
	m.next("READY=1\nSTATUS=a person is needed: web: for the test")
}

// TestAliveInAReload: a reload that takes long, asked for by a signal, does not keep
// the service manager from hearing that usher is alive.
func TestAliveInAReload(t *testing.T) {
	f := newFixture(t)
	m := f.managed(20 * time.Millisecond)
	d, stop := f.start()
	m.next("READY=1")
	begun, finished := make(chan struct{}), make(chan struct{})
	finish := sync.OnceFunc(func() { close(finished) })
	t.Cleanup(finish)
	f.world.mu.Lock()
	f.world.apply = sync.OnceFunc(func() {
		close(begun)
		<-finished
	})
	f.world.mu.Unlock()
	f.hangup <- unix.SIGHUP
	<-begun
	m.said()
	m.next("WATCHDOG=1")
	m.next("WATCHDOG=1")
	finish()
	f.await(d, func(e events.Event) bool { return e.Kind == "reload" && e.To == "done" }, nil)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestNotAlive: a director that gets no further, for longer than the service manager
// waits between two words, is not said to be alive, and again when it does.
func TestNotAlive(t *testing.T) {
	f := newFixture(t)
	m := f.managed(20 * time.Millisecond)
	f.start()
	m.next("READY=1")
	m.next("WATCHDOG=1")
	busy := func(since time.Time) {
		f.world.mu.Lock()
		f.world.busy = since
		f.world.mu.Unlock()
	}
	busy(time.Now().Add(-time.Minute))
	looked := func() { // once and again, after what was under way
		for range 3 {
			<-f.world.asked
		}
	}
	looked()
	m.said()
	looked()
	if got := m.said(); len(got) > 0 {
		t.Errorf("%q is said of a director that hangs", got)
	}
	if !strings.Contains(f.log.String(), "the director gets no further") {
		t.Errorf("it is not told: %s", f.log)
	}
	busy(time.Time{})
	m.next("WATCHDOG=1")
}
