package rtnl

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/ndp"
	"github.com/mdlayher/packet"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
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

// pair makes two bridged interfaces for one test: u0 sends, and what it sends
// arrives at p0, which stays when u0 goes.
func pair(t testing.TB) {
	t.Helper()
	add(t, &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}})
	add(t, &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "p0"}, PeerName: "b-p0"})
	up(t, "br0", "b-p0", "p0")
	attachLink(t)
}

// attachLink makes u0.
func attachLink(t testing.TB) {
	t.Helper()
	add(t, &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "u0"}, PeerName: "b-u0"})
	up(t, "b-u0", "u0")
}

func add(t testing.TB, l netlink.Link) {
	t.Helper()
	if err := netlink.LinkAdd(l); err != nil {
		t.Fatalf("make %s: %v", l.Attrs().Name, err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(l) }) // some tests remove it themselves
}

// up takes interfaces up, in the bridge if they are its ports, and waits for the
// carrier: what is sent before is lost without a word.
func up(t testing.TB, names ...string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	find := func(name string) netlink.Link {
		l, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for _, name := range names {
		if strings.HasPrefix(name, "b-") {
			if err := netlink.LinkSetMaster(find(name), find("br0")); err != nil {
				t.Fatal(err)
			}
		}
		if err := netlink.LinkSetUp(find(name)); err != nil {
			t.Fatal(err)
		}
	}
	const forwarding = "3\n"
	for _, name := range names {
		state, err := os.ReadFile("/sys/class/net/" + name + "/brport/state")
		for name != "br0" && (find(name).Attrs().OperState != netlink.OperUp || err == nil && string(state) != forwarding) {
			<-tick.C
			state, err = os.ReadFile("/sys/class/net/" + name + "/brport/state")
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
	room(t, conn)
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

// room makes a socket's buffer large enough for a thousand announcements at once:
// the default one holds some 250, and drops the others where this process has to
// wait for a busy machine meanwhile.
func room(t testing.TB, conn *packet.Conn) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	const bytes = 8 << 20
	control := raw.Control(func(fd uintptr) {
		if err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes); err != nil {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, bytes) // without root: as much as is allowed
		}
	})
	if err := errors.Join(control, err); err != nil {
		t.Fatal(err)
	}
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
