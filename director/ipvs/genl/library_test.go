package genl

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/ipvs"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"usher/director/ipvs"
)

// An answer that never comes ends in an error, not in a daemon that stands still, and
// the call after it has a socket of its own. The library asks again for ever.
func TestNoAnswer(t *testing.T) {
	logrus.SetOutput(io.Discard) // a kernel without IPVS does for this
	t.Cleanup(func() { logrus.SetOutput(os.Stderr) })
	l, err := openLibrary()
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	ask := func(h *moby.Handle) error {
		_, err := h.GetServices()
		return err
	}
	if err := l.do(ask); errors.Is(err, unix.ETIMEDOUT) {
		t.Errorf("the kernel answers, and yet: %v", err)
	}
	deafen(t)
	l.wait = 50 * time.Millisecond
	if err := l.do(ask); !errors.Is(err, unix.ETIMEDOUT) {
		t.Errorf("no answer came, and yet: %v", err)
	}
	l.wait = receiveTimeout
	if err := l.do(ask); errors.Is(err, unix.ETIMEDOUT) {
		t.Errorf("the call after it: %v", err)
	}
	l.close()
	if l.netns, err = os.Stat("/proc/thread-self/ns/uts"); err != nil {
		t.Fatal(err)
	}
	if err := l.do(ask); err == nil || l.handle != nil {
		t.Error("a handle was opened in another network namespace than the first")
	}
}

// deafen has this process's generic netlink sockets drop whatever comes.
func deafen(t *testing.T) {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
	found := 0
	for _, entry := range open {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		domain, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
		protocol, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
		if domain != unix.AF_NETLINK || protocol != unix.NETLINK_GENERIC {
			continue
		}
		if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop}); err != nil {
			t.Fatal(err)
		}
		found++
	}
	if found == 0 {
		t.Fatal("no generic netlink socket is open")
	}
}

// What the library has no words for goes another way.
func TestExpressible(t *testing.T) {
	four, six := ipvs.AddressKey(ipvs.TCP, netip.MustParseAddrPort("192.0.2.1:80")), ipvs.MarkKey(7, true)
	to := func(a string) ipvs.DestinationKey {
		return ipvs.DestinationKey{Address: netip.MustParseAddr(a), Port: 80}
	}
	gue := ipvs.Destination{Forward: ipvs.Tun, Tunnel: ipvs.Tunnel{Type: ipvs.GUE, Port: 6080}}
	for _, c := range []struct {
		name string
		op   ipvs.Op
		want bool
	}{
		{"service", ipvs.Op{Kind: ipvs.AddService, Key: four}, true},
		{"nat", ipvs.Op{Kind: ipvs.AddDestination, Key: four, Dest: to("10.0.0.1")}, true},
		{"ipip", ipvs.Op{Kind: ipvs.EditDestination, Key: four, Dest: to("10.0.0.1"), Destination: ipvs.Destination{Forward: ipvs.Tun}}, true},
		{"gue", ipvs.Op{Kind: ipvs.EditDestination, Key: four, Dest: to("10.0.0.1"), Destination: gue}, false},
		{"IPv4 in IPv6", ipvs.Op{Kind: ipvs.AddDestination, Key: six, Dest: to("10.0.0.1"), Destination: ipvs.Destination{Forward: ipvs.Tun}}, false},
		{"IPv6 in IPv4", ipvs.Op{Kind: ipvs.DelDestination, Key: four, Dest: to("2001:db8::1")}, false},
		{"IPv6", ipvs.Op{Kind: ipvs.DelDestination, Key: six, Dest: to("2001:db8::1")}, true},
		{"none", ipvs.Op{Key: four}, false},
	} {
		if got := expressible(c.op); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}

// What the package's doc says that the library has no words for: once it has, code of
// ours can go. What only a kernel shows is in ipvstest.SecondHand.
func TestLibraryHasNotGrown(t *testing.T) {
	var handle, destination []string
	for m := range reflect.TypeFor[*moby.Handle]().Methods() {
		handle = append(handle, m.Name)
	}
	for f := range reflect.TypeFor[moby.Destination]().Fields() {
		destination = append(destination, f.Name)
	}
	for _, c := range []struct{ what, have, want string }{
		{
			"commands (batches, sync daemons)", strings.Join(handle, " "),
			"Close DelDestination DelService Flush GetConfig GetDestinations GetService GetServices IsServicePresent " +
				"NewDestination NewService SetConfig UpdateDestination UpdateService",
		},
		{
			"settings of a real server (tunnels)", strings.Join(destination, " "),
			"Address Port Weight ConnectionFlags AddressFamily UpperThreshold LowerThreshold ActiveConnections InactiveConnections Stats",
		},
		{"connections counted", reflect.TypeOf(moby.SvcStats{}.Connections).String(), "uint32"},
		{"packets counted", reflect.TypeOf(moby.SvcStats{}.PacketsIn).String(), "uint32"},
	} {
		if c.have != c.want {
			t.Errorf("%s: moby/ipvs has %s, had %s: see what can go", c.what, c.have, c.want)
		}
	}
}

// TestForwardMethods: the values have the kernel's own numbers.
func TestForwardMethods(t *testing.T) {
	for is, want := range map[ipvs.Forward]uint32{
		ipvs.NAT: moby.ConnFwdMasq, ipvs.Local: moby.ConnFwdLocalNode, ipvs.Tun: moby.ConnFwdTunnel, ipvs.DR: moby.ConnFwdDirectRoute,
	} {
		if uint32(is) != want {
			t.Errorf("%s is %d, the kernel has %d", is, is, want)
		}
	}
}
