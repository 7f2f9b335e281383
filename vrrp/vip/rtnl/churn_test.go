package rtnl

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"

	"usher/vrrp/vip"
)

// TestAddressesWhileOthersChange: every address of ours is found though others come and
// go while the kernel's list, which takes several messages, is being read.
func TestAddressesWhileOthersChange(t *testing.T) {
	pair(t)
	k := open(t)
	link, err := netlink.LinkByName("u0")
	if err != nil {
		t.Fatal(err)
	}
	const each, readings, changes = 1000, 50, 5
	other := func(i int) *netlink.Addr {
		i %= each
		return &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(10, 0, byte(i>>8), byte(i)), Mask: net.CIDRMask(32, 32)}}
	}
	for i := range each {
		ours := vip.Address{Link: "u0", Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 32)}
		if err := k.Add(ours); err != nil {
			t.Fatal(err)
		}
		if err := netlink.AddrAdd(link, other(i)); err != nil {
			t.Fatal(err)
		}
	}
	reading, done := make(chan struct{}), make(chan struct{})
	var failed error
	go func() {
		defer close(done)
		first := 0
		for range reading {
			for range changes {
				// The first goes and comes back as the last: all others move up.
				failed = errors.Join(failed, netlink.AddrDel(link, other(first)), netlink.AddrAdd(link, other(first)))
				first++
			}
		}
	}()
	for range readings {
		reading <- struct{}{}
		all, err := k.Addresses()
		found := 0
		for _, f := range all {
			if f.Ours {
				found++
			}
		}
		if err != nil || found != each {
			t.Errorf("%d of %d are found, %v", found, each, err)
		}
	}
	close(reading)
	<-done
	if failed != nil {
		t.Error(failed)
	}
}
