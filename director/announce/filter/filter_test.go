package filter

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestMain runs the tests of this package in a network namespace of their own: the test
// binary starts itself in one.
func TestMain(m *testing.M) {
	if os.Getenv("USHER_FILTER_NS") != "" {
		os.Exit(m.Run())
	}
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), "USHER_FILTER_NS=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if err := cmd.Run(); err != nil {
		println("filter: the tests in a network namespace:", err.Error())
		os.Exit(1)
	}
}

var (
	four = netip.MustParsePrefix("192.0.2.10/32")
	six  = netip.MustParsePrefix("2001:db8::10/128")
)

// cable makes two ends of a cable in this namespace: what is sent by f1 arrives at f0.
func cable(t *testing.T) *packet.Conn {
	t.Helper()
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "f0"}, PeerName: "f1"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lo", "f0", "f1"} {
		link, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkSetUp(link); err != nil {
			t.Fatal(err)
		}
		if name != "lo" {
			continue
		}
		for _, p := range []netip.Prefix{four, six} {
			a, err := netlink.ParseAddr(p.String())
			if err != nil {
				t.Fatal(err)
			}
			a.Flags = unix.IFA_F_NODAD
			if err := netlink.AddrAdd(link, a); err != nil {
				t.Fatal(err)
			}
		}
	}
	f1, err := net.InterfaceByName("f1")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := packet.Listen(f1, packet.Raw, unix.ETH_P_IP, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// frame is one packet of a protocol to an address, from a client.
func frame(t *testing.T, to netip.Addr, protocol byte) []byte {
	t.Helper()
	f0, err := net.InterfaceByName("f0")
	if err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, 20) // a TCP header, or more than one of UDP or ICMP
	binary.BigEndian.PutUint16(payload[0:], 40000)
	binary.BigEndian.PutUint16(payload[2:], 80)
	payload[12] = 5 << 4
	b := append(append([]byte{}, f0.HardwareAddr...), 2, 0, 0, 0, 0, 1)
	if to.Is4() {
		b = append(b, 0x08, 0x00)
		head := []byte{0x45, 0, 0, 40, 0, 1, 0, 0, 64, protocol, 0, 0, 198, 51, 100, 7}
		head = append(head, to.AsSlice()...)
		sum := uint32(0)
		for i := 0; i < 20; i += 2 {
			sum += uint32(binary.BigEndian.Uint16(head[i:]))
		}
		sum = sum>>16 + sum&0xffff
		binary.BigEndian.PutUint16(head[10:], ^uint16(sum+sum>>16))
		return append(append(b, head...), payload...)
	}
	b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, protocol, 64)
	from := netip.MustParseAddr("2001:db8:1::7").As16()
	return append(append(append(b, from[:]...), to.AsSlice()...), payload...)
}

// What comes for an address of the filter is counted, ICMP apart; other addresses are none
// of its business, and the count lives on while addresses come and go.
func TestFilter(t *testing.T) {
	conn := cable(t)
	f := New()
	defer func() {
		if err := f.Keep(nil); err != nil {
			t.Error(err)
		}
		if _, there, err := open(); err != nil || there {
			t.Errorf("the table is there: %v, %v", there, err)
		}
	}()
	send := func(to netip.Prefix, protocol byte) {
		t.Helper()
		if _, err := conn.WriteTo(frame(t, to.Addr(), protocol), &packet.Addr{HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1}}); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want uint64) {
		t.Helper()
		late := time.After(30 * time.Second)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			got, err := f.Unclaimed()
			if err != nil {
				t.Fatal(err)
			}
			if got == want {
				return
			}
			select {
			case <-tick.C:
			case <-late:
				t.Fatalf("%d packets, want %d", got, want)
			}
		}
	}
	keep := func(want ...netip.Prefix) {
		t.Helper()
		if err := f.Keep(want); err != nil {
			t.Fatal(err)
		}
	}
	keep(four)
	send(six, unix.IPPROTO_TCP)
	send(four, unix.IPPROTO_ICMP)
	send(four, unix.IPPROTO_TCP) // after the others on one cable: they were seen before it
	expect(1)
	keep(four, six)
	send(six, unix.IPPROTO_ICMPV6)
	send(six, unix.IPPROTO_UDP)
	expect(2)
	keep(six)
	send(four, unix.IPPROTO_TCP)
	send(six, unix.IPPROTO_TCP)
	expect(3)
	// Somebody flushes everything: it is there again.
	c, _, err := open()
	if err != nil {
		t.Fatal(err)
	}
	c.FlushRuleset()
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	keep(six)
	send(six, unix.IPPROTO_TCP)
	expect(1)
}
