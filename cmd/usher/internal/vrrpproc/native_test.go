package vrrpproc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/vrrp"
	"usher/vrrp/vip"
	"usher/vrrp/vip/rtnl"
)

// TestMain makes this test binary a VRRP process where a test started it as one,
// and else runs the tests in a network namespace of their own.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == GuardCommand {
		os.Exit(Guard(os.Args[2:], os.Stdout, os.Stderr, func(string, string) (*slog.Logger, func([]string), error) { return errorLog(), nil, nil }))
	}
	switch os.Getenv("USHER_VRRPPROC") {
	case "parent":
		if err := runParent(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "child":
		if err := runChild(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "tests":
		os.Exit(m.Run())
	default:
		os.Exit(inNamespace())
	}
}

func errorLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}

func runChild() error {
	IgnoreSignals()
	in, err := Inherited()
	if err != nil {
		return err
	}
	return Child(context.Background(), in, errorLog(), nil, os.Getenv("USHER_VRRPPROC_STATE"))
}

func inNamespace() int {
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), "USHER_VRRPPROC=tests")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vrrpproc: start the tests in a network namespace:", err)
		return 2
	}
	return 0
}

// native is a parent with real processes, kernel and wire.
type native struct {
	*Parent
	kernel *rtnl.Kernel
	events chan vrrp.Event
	pids   chan int
	state  string
	before func() // called before each start of a child
	stop   func()
}

func newNative(t *testing.T) *native {
	t.Helper()
	n := makeNative(t)
	n.run(t)
	return n
}

// makeNative is newNative without its Run.
func makeNative(t *testing.T) *native {
	t.Helper()
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "u0"}, PeerName: "p0"}
	if err := netlink.LinkAdd(veth); err != nil {
		t.Fatalf("make a veth pair: %v", err)
	}
	t.Cleanup(func() {
		if err := netlink.LinkDel(veth); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{"u0", "p0"} {
		l, err := netlink.LinkByName(name)
		if err == nil {
			err = netlink.LinkSetUp(l)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	a, err := netlink.ParseAddr("192.0.2.11/24")
	if err == nil {
		err = netlink.AddrAdd(veth, a)
	}
	if err != nil {
		t.Fatal(err)
	}
	n := &native{events: make(chan vrrp.Event, 1000), pids: make(chan int, 100), before: func() {}}
	if n.kernel, err = rtnl.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.kernel.Close() })
	t.Setenv("USHER_VRRPPROC", "child")
	n.state = t.TempDir()
	t.Setenv("USHER_VRRPPROC_STATE", n.state)
	start := command(Options{})
	n.Parent = New(Options{
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Events: func(e vrrp.Event) { n.events <- e },
		Recover: func() ([]string, error) { return rtnl.Recover(rtnl.JournalFile(n.state)) }, State: n.state,
		Start: func(lock *Lock) (Process, error) {
			n.before()
			p, err := start(lock)
			if err == nil {
				n.pids <- p.PID
			}
			return p, err
		},
	})
	return n
}

// run runs the parent until stop, or the test's end.
func (n *native) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	stopped := false
	n.stop = func() {
		cancel()
		if stopped {
			return
		}
		stopped = true
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(n.stop)
}

func nativeConfig(lease time.Duration) vrrp.Desired {
	return vrrp.Desired{Instances: []vrrp.Config{{
		Name: "web", Interface: "u0", VRID: 51, Priority: 200, Version: 3, Interval: 100 * time.Millisecond, DownAdverts: 3,
		Addresses: []vrrp.Address{{Prefix: netip.MustParsePrefix("192.0.2.1/32")}},
		Lease:     lease, Preempt: true, Accept: true, Announce: vrrp.Announce{Repeat: 2},
	}}}
}

// await waits for an event that a test is about.
func (n *native) await(t *testing.T, what string, ok func(vrrp.Event) bool) vrrp.Event {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case e := <-n.events:
			if ok(e) {
				return e
			}
		case <-timeout:
			t.Fatalf("no event within 30 s: %s", what)
		}
	}
}

func toActive(e vrrp.Event) bool { return e.Kind == vrrp.EventState && e.To == vrrp.Active }

func (n *native) has(t *testing.T) bool {
	t.Helper()
	all, err := n.kernel.Addresses()
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(all, func(f vip.Found) bool { return f.Address.Prefix.Addr() == netip.MustParseAddr("192.0.2.1") })
}

// until looks every millisecond whether the address is there, or is not.
func (n *native) until(t *testing.T, there bool, limit time.Duration) time.Duration {
	t.Helper()
	start := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n.has(t) != there {
		if time.Since(start) > limit {
			t.Fatalf("the address: there %v after %v; want %v", !there, limit, there)
		}
		<-tick.C
	}
	return time.Since(start)
}

func TestNativeStop(t *testing.T) {
	n := newNative(t)
	if err := n.Apply(nativeConfig(2 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n.await(t, "active", toActive)
	n.until(t, true, 10*time.Second)
	n.stop()
	if n.has(t) {
		t.Error("the address is still there after the stop")
	}
}

// TestNativeChildKilled: an address without a lease does not stay with a dead child.
func TestNativeChildKilled(t *testing.T) {
	n := newNative(t)
	if err := n.Apply(nativeConfig(0)); err != nil {
		t.Fatal(err)
	}
	n.await(t, "active", toActive)
	n.until(t, true, 10*time.Second)
	if err := syscall.Kill(<-n.pids, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	t.Logf("withdrawn after %v", n.until(t, false, 10*time.Second))
	n.await(t, "process", func(e vrrp.Event) bool { return e.Kind == vrrp.EventProcess })
	n.await(t, "active again", toActive)
	n.until(t, true, 10*time.Second)
}

// TestNativeChildStopped: the kernel takes the address from a process that hangs;
// once it goes on, it finds itself still alone and puts it back.
func TestNativeChildStopped(t *testing.T) {
	n := newNative(t)
	if err := n.Apply(nativeConfig(time.Second)); err != nil {
		t.Fatal(err)
	}
	n.await(t, "active", toActive)
	n.until(t, true, 10*time.Second)
	pid := <-n.pids
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if took := n.until(t, false, 10*time.Second); took < 500*time.Millisecond {
		t.Errorf("the lease of 1 s ended after %v", took)
	}
	if s := n.Status(); s[0].State != vrrp.Initialize {
		t.Errorf("status of a process that hangs: %+v", s)
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	n.until(t, true, 10*time.Second)
}

// TestNativeChildIsDeaf: what a service manager sends to all processes at once is for the
// parent, which hands over what the child holds.
func TestNativeChildIsDeaf(t *testing.T) {
	n := newNative(t)
	if err := n.Apply(nativeConfig(2 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n.await(t, "active", toActive)
	n.until(t, true, 10*time.Second)
	pid := <-n.pids
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGABRT, syscall.SIGQUIT, syscall.SIGUSR1} {
		if err := syscall.Kill(pid, s); err != nil {
			t.Fatal(err)
		}
		if err := n.Apply(nativeConfig(2 * time.Second)); err != nil {
			t.Errorf("after %v: %v", s, err)
		}
	}
	n.stop()
	for len(n.events) > 0 {
		if e := <-n.events; e.Kind == vrrp.EventProcess {
			t.Errorf("the VRRP process did not go on: %s", e.Reason)
		}
	}
	if len(n.pids) > 0 {
		t.Error("another VRRP process was started")
	}
}

// TestNativeSettings: what a virtual MAC needs set is put back, also when the child
// could not do it any more.
func TestNativeSettings(t *testing.T) {
	const file = "/proc/sys/net/ipv4/conf/u0/arp_ignore"
	n := newNative(t)
	value := func() string {
		t.Helper()
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
	d := nativeConfig(time.Second)
	d.Instances[0].VirtualMAC = true
	if err := n.Apply(d); err != nil {
		t.Fatal(err)
	}
	n.await(t, "active", toActive)
	if v := value(); v != "1" {
		t.Errorf("arp_ignore is %s while it is needed", v)
	}
	if err := syscall.Kill(<-n.pids, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	n.await(t, "process", func(e vrrp.Event) bool { return e.Kind == vrrp.EventProcess })
	n.await(t, "active again", toActive)
	n.stop()
	if v := value(); v != "0" {
		t.Errorf("arp_ignore is %s after the end; it was 0", v)
	}
}
