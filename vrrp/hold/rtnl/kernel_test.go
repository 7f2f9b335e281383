package rtnl

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
	"usher/vrrp"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/ndp"
	"github.com/mdlayher/packet"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/vrrp/hold"
	"usher/vrrp/hold/holdtest"
)

// TestMain runs the tests of this package in a network namespace of their own:
// the test binary starts itself in one. Without root a user namespace gives the
// rights.
func TestMain(m *testing.M) {
	if os.Getenv("USHER_RTNL_NS") != "" {
		os.Exit(m.Run())
	}
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), "USHER_RTNL_NS=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	case err != nil:
		println("rtnl: start the tests in a network namespace:", err.Error())
		os.Exit(2)
	}
}

// pair makes a veth pair u0, p0, both up, for one test.
func pair(t testing.TB) {
	t.Helper()
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "u0"}, PeerName: "p0"}
	if err := netlink.LinkAdd(veth); err != nil {
		t.Fatalf("make a veth pair: %v", err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(veth) }) // some tests remove it themselves
	for _, name := range []string{"u0", "p0"} {
		l, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkSetUp(l); err != nil {
			t.Fatal(err)
		}
	}
	// What is sent before the carrier is there is lost without a word.
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for _, name := range []string{"u0", "p0"} {
		for range tick.C {
			if l, err := netlink.LinkByName(name); err != nil {
				t.Fatal(err)
			} else if l.Attrs().OperState == netlink.OperUp {
				break
			}
		}
	}
}

// hear gives the addresses that are announced on p0, until the test ends.
func hear(t testing.TB) <-chan netip.Addr {
	t.Helper()
	ifi, err := net.InterfaceByName("p0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := packet.Listen(ifi, packet.Raw, unix.ETH_P_ALL, nil)
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan netip.Addr, 10000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 2000)
		for {
			n, _, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			if a, ok := announcedBy(b[:n]); ok {
				heard <- a
			}
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return heard
}

// announcedBy reads a gratuitous ARP request, or an unsolicited neighbour
// advertisement, as a neighbour does.
func announcedBy(frame []byte) (netip.Addr, bool) {
	var f ethernet.Frame
	if f.UnmarshalBinary(frame) != nil {
		return netip.Addr{}, false
	}
	var p arp.Packet
	switch {
	case f.EtherType == ethernet.EtherTypeARP && p.UnmarshalBinary(f.Payload) == nil:
		ok := p.Operation == arp.OperationRequest && p.SenderIP == p.TargetIP &&
			f.Destination.String() == "ff:ff:ff:ff:ff:ff" && f.Source.String() == p.SenderHardwareAddr.String()
		return p.SenderIP, ok
	case f.EtherType == ethernet.EtherTypeIPv6 && len(f.Payload) > 40 && f.Payload[6] == unix.IPPROTO_ICMPV6:
		return advertised(f)
	}
	return netip.Addr{}, false
}

func advertised(f ethernet.Frame) (netip.Addr, bool) {
	src, _ := netip.AddrFromSlice(f.Payload[8:24])
	dst, _ := netip.AddrFromSlice(f.Payload[24:40])
	m, err := ndp.ParseMessage(f.Payload[40:])
	na, ok := m.(*ndp.NeighborAdvertisement)
	if err != nil || !ok || len(na.Options) != 1 {
		return netip.Addr{}, false
	}
	lla, ok := na.Options[0].(*ndp.LinkLayerAddress)
	sum, err := ndp.MarshalMessageChecksum(na, src, dst)
	return na.TargetAddress, ok && err == nil && string(sum) == string(f.Payload[40:]) && na.Override && !na.Solicited && !na.Router &&
		dst == netip.MustParseAddr("ff02::1") && f.Payload[7] == 255 && f.Destination.String() == "33:33:00:00:00:01" &&
		lla.Direction == ndp.Target && lla.Addr.String() == f.Source.String()
}

func open(t testing.TB) *Kernel {
	t.Helper()
	k, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// real runs a body with the kernel of this machine.
func inKernel(t *testing.T, name string, body func(*testing.T, holdtest.World)) {
	t.Run(name, func(t *testing.T) {
		pair(t)
		body(t, holdtest.World{
			Kernel: open(t), Link: "u0", Heard: hear(t),
			Foreign: func(t *testing.T, a hold.Address) {
				l, err := netlink.LinkByName(a.Link)
				if err != nil {
					t.Fatal(err)
				}
				ip := &net.IPNet{IP: a.Prefix.Addr().AsSlice(), Mask: net.CIDRMask(a.Prefix.Bits(), a.Prefix.Addr().BitLen())}
				if err := netlink.AddrAdd(l, &netlink.Addr{IPNet: ip}); err != nil {
					t.Fatal(err)
				}
			},
			RemoveLink: func(t *testing.T) {
				if err := netlink.LinkDel(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "u0"}}); err != nil {
					t.Fatal(err)
				}
			},
		})
	})
}

func TestKernel(t *testing.T)  { holdtest.Contract(t, inKernel) }
func TestManager(t *testing.T) { holdtest.Manager(t, inKernel) }

// BenchmarkTakeover is the way from Set(true) to the first announcement on the
// wire, as a neighbour sees it.
func BenchmarkTakeover(b *testing.B) {
	pair(b)
	heard := hear(b)
	m := hold.New(hold.Options{Kernel: open(b)})
	err := m.Configure(vrrp.Config{
		Name: "web", Interface: "u0", Lease: 2 * time.Second, Announce: vrrp.Announce{Repeat: 1},
		Addresses: []vrrp.Address{{Prefix: netip.MustParsePrefix("192.0.2.1/32")}},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	var all []time.Duration
	for b.Loop() {
		m.Soon()
		for early := time.Now().Add(300 * time.Microsecond); time.Now().Before(early); {
			continue // as the loop does before a deadline
		}
		start := time.Now()
		m.Set("web", true)
		<-heard
		all = append(all, time.Since(start))
		b.StopTimer()
		m.Set("web", false)
		for m.Held("web") {
			runtime.Gosched()
		}
		<-time.After(2 * time.Millisecond)
		b.StartTimer()
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "us/median")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "us/p99")
	cancel()
	if err := <-done; err != nil {
		b.Error(err)
	}
}
