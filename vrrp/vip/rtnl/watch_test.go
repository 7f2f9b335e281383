package rtnl

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"usher/vrrp/vip"
)

// TestWatchFromTheStart: from its first message on a watch tells of what concerns usher
// alone, and not of the routes that the kernel takes away with somebody's address.
func TestWatchFromTheStart(t *testing.T) {
	pair(t)
	k := open(t)
	a := vip.Address{Link: "u0", Prefix: netip.MustParsePrefix("192.0.2.1/32")}
	if err := k.Add(a); err != nil { // the watch knows its interface, then
		t.Fatal(err)
	}
	link, err := netlink.LinkByName("u0")
	if err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		var failed error
		other := &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(192, 0, 2, 99), Mask: net.CIDRMask(32, 32)}}
		for failed == nil {
			select {
			case <-stop:
				done <- nil
				return
			default:
				failed = errors.Join(netlink.AddrAdd(link, other), netlink.AddrDel(link, other))
			}
		}
		done <- failed
	}()
	for range 1000 {
		ctx, cancel := context.WithCancel(t.Context())
		changes := 0
		err := k.Watch(ctx, func(c vip.Change) {
			if c.Routing {
				t.Error("a route of usher's went, it says")
			}
			if changes++; changes == 3 {
				cancel()
			}
		})
		cancel()
		if err != nil || t.Failed() {
			t.Fatalf("Watch: %v", err)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestChangedBeforeTheWatch: what an interface became since it was first used is told
// when the watch begins.
func TestChangedBeforeTheWatch(t *testing.T) {
	pair(t)
	k := open(t)
	if err := k.Prepare("u0"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		mac  byte
		want []vip.Change
	}{
		{7, []vip.Change{{Link: "u0"}, {}}},
		{7, []vip.Change{{}}}, // as it was
	} {
		link, err := netlink.LinkByName("u0")
		if err == nil {
			err = netlink.LinkSetHardwareAddr(link, net.HardwareAddr{2, 0, 0, 0, 0, c.mac})
		}
		if err != nil {
			t.Fatal(err)
		}
		var told []vip.Change
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		err = k.Watch(ctx, func(c vip.Change) {
			if told = append(told, c); c == (vip.Change{}) {
				cancel()
			}
		})
		cancel()
		if err != nil || !slices.Equal(told, c.want) {
			t.Errorf("told %v, %v, want %v", told, err, c.want)
		}
		if err := k.Prepare("u0"); err != nil {
			t.Fatal(err)
		}
	}
}
