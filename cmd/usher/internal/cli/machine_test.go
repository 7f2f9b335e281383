package cli_test

import (
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// machine puts the calling test's thread into a network of its own, with one
// interface that has an address: what this machine has is nothing to rely on. The
// thread ends with the test.
func machine(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(unix.Unshare(unix.CLONE_NEWNET))
	must(netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth1"}))
	link, err := netlink.LinkByName("eth0")
	must(err)
	address, err := netlink.ParseAddr("192.0.2.1/24")
	must(err)
	must(netlink.AddrAdd(link, address))
}
