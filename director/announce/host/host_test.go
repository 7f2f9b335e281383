package host

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestMain runs the tests of this package in a network namespace of their own: the test
// binary starts itself in one.
func TestMain(m *testing.M) {
	if os.Getenv("USHER_HOST_NS") != "" {
		os.Exit(m.Run())
	}
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), "USHER_HOST_NS=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if err := cmd.Run(); err != nil {
		println("host: the tests in a network namespace:", err.Error())
		os.Exit(1)
	}
}

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, t := range texts {
		all = append(all, netip.MustParsePrefix(t))
	}
	return all
}

// onLo gives the host addresses of lo, loopback's own apart.
func onLo(t *testing.T) (all []netip.Prefix) {
	t.Helper()
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	have, err := list(lo.Index)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range have {
		if !f.prefix.Addr().IsLoopback() {
			all = append(all, f.prefix)
		}
	}
	slices.SortFunc(all, netip.Prefix.Compare)
	return all
}

// Addresses come and go as wanted; another process takes over what one before it left, and
// what is somebody else's stays.
func TestHold(t *testing.T) {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		t.Fatal(err)
	}
	foreign, err := netlink.ParseAddr("198.51.100.1/32")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(lo, foreign); err != nil {
		t.Fatal(err)
	}
	h := New()
	hold := func(h *Host, want ...netip.Prefix) {
		t.Helper()
		bound, err := h.Hold(want)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(bound, want) {
			t.Errorf("bound %v, want %v", bound, want)
		}
		there := append(prefixes("198.51.100.1/32"), want...)
		slices.SortFunc(there, netip.Prefix.Compare)
		if got := onLo(t); !slices.Equal(got, slices.Compact(there)) {
			t.Errorf("on lo: %v, want %v", got, there)
		}
	}
	both := prefixes("192.0.2.10/32", "2001:db8::10/128")
	hold(h, both...)
	hold(h, both...)
	gone, err := netlink.ParseAddr("192.0.2.10/32")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrDel(lo, gone); err != nil {
		t.Fatal(err)
	}
	hold(h, both...)
	hold(h, both[1])
	hold(New(), prefixes("192.0.2.11/32")...) // by the mark in the kernel
	hold(New(), prefixes("198.51.100.1/32")...)
	hold(New())
}

func TestDown(t *testing.T) {
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "h0"}, PeerName: "h1"}); err != nil {
		t.Fatal(err)
	}
	h := New()
	ctx, cancel := context.WithCancel(t.Context())
	changed, ended := make(chan struct{}, 64), make(chan error, 1)
	go func() {
		ended <- h.Watch(ctx, func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		})
	}()
	<-changed // it watches
	for _, step := range []struct {
		change func(h0, h1 netlink.Link) error
		down   []string
	}{
		{func(_, _ netlink.Link) error { return nil }, []string{"h0", "none"}},
		{func(h0, _ netlink.Link) error { return netlink.LinkSetUp(h0) }, []string{"h0", "none"}}, // no carrier
		{func(_, h1 netlink.Link) error { return netlink.LinkSetUp(h1) }, []string{"none"}},
		{func(_, h1 netlink.Link) error { return netlink.LinkSetDown(h1) }, []string{"h0", "none"}},
	} {
		h0, err := netlink.LinkByName("h0")
		if err != nil {
			t.Fatal(err)
		}
		h1, err := netlink.LinkByName("h1")
		if err != nil {
			t.Fatal(err)
		}
		if err := step.change(h0, h1); err != nil {
			t.Fatal(err)
		}
		late := time.After(30 * time.Second)
		for {
			down, err := h.Down([]string{"h0", "none"})
			if err != nil {
				t.Fatal(err)
			}
			if slices.Equal(down, step.down) {
				break
			}
			select {
			case <-changed:
			case <-late:
				t.Fatalf("down %v, want %v", down, step.down)
			}
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
