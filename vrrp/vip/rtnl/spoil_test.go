package rtnl

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"testing"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"usher/vrrp/vip"
)

// rename gives u0 another name, and its other end, too, so that there can be one more.
func rename(t *testing.T, to string) {
	t.Helper()
	peer, err := netlink.LinkByName("b-u0")
	if err == nil {
		err = errors.Join(netlink.LinkSetDown(peer), netlink.LinkSetName(peer, "b-"+to), netlink.LinkSetUp(peer))
	}
	if err != nil {
		t.Fatal(err)
	}
	l, err := netlink.LinkByName("u0")
	if err != nil {
		t.Fatal(err)
	}
	up := l.Attrs().Flags&net.FlagUp != 0
	if err := netlink.LinkSetName(l, to); errors.Is(err, unix.EBUSY) && up { // kernels before 6.2 rename only what is down
		err = errors.Join(netlink.LinkSetDown(l), netlink.LinkSetName(l, to), netlink.LinkSetUp(l))
		if err != nil {
			t.Fatal(err)
		}
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(l) })
}

// spoil does to an object what somebody else may do by hand.
func spoil(t *testing.T, o vip.Object) {
	t.Helper()
	if err := spoilt(o); err != nil {
		t.Fatalf("spoil %s: %v", o, err)
	}
}

func spoilt(o vip.Object) error {
	byName := func(name string) netlink.Link {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return &netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: name}}
		}
		return l
	}
	switch o := o.(type) {
	case vip.Address:
		return netlink.AddrDel(byName(o.Link), &netlink.Addr{IPNet: ipNet(o.Prefix)})
	case vip.LocalRoute:
		if o.Address.Is6() { // the less obvious half of it
			return netlink.NeighDel(&netlink.Neigh{LinkIndex: byName(o.Link).Attrs().Index, Family: unix.AF_INET6, Flags: netlink.NTF_PROXY, IP: o.Address.AsSlice()})
		}
		return netlink.RouteDel(localRoute(o, byName(o.Link).Attrs().Index))
	case vip.Route:
		return spoiltRoute(o)
	case vip.Rule:
		return netlink.RuleDel(ruleOf(o))
	case vip.Macvlan:
		return netlink.LinkSetHardwareAddr(byName(o.Name), net.HardwareAddr{2, 0, 0, 0, 0, 9})
	case vip.Up:
		return netlink.LinkSetDown(byName(o.Link))
	case vip.Sysctl:
		return write(o.Key, "0")
	case vip.Drop:
		nft, err := nftables.New()
		if err != nil {
			return err
		}
		nft.FlushTable(table(o))
		return nft.Flush()
	}
	return fmt.Errorf("%T", o)
}

// spoiltRoute gives a route another size of packets, by the protocol that it has.
func spoiltRoute(o vip.Route) error {
	args := []string{"route", "change"}
	if o.To.Addr().Is6() {
		args = append([]string{"-6"}, args...)
	}
	if o.Type != "" && o.Type != "unicast" {
		args = append(args, o.Type)
	}
	args = append(args, o.To.String(), "proto", fmt.Sprint(mark), "table", fmt.Sprint(o.Table))
	if o.Link != "" {
		args = append(args, "dev", o.Link)
	}
	if o.Metric != 0 {
		args = append(args, "metric", fmt.Sprint(o.Metric))
	}
	if out, err := exec.Command("ip", append(args, "mtu", "1280")...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %q: %w: %s", args, err, out)
	}
	return nil
}

// TestDropIsWhole: whatever is done to the table of an instance is seen.
func TestDropIsWhole(t *testing.T) {
	k := open(t)
	d := vip.Drop{Instance: "web", Addresses: "192.0.2.1 2001:db8::1"}
	for name, do := range map[string]func(c *nftables.Conn, t *nftables.Table) error{
		"a rule flushed": func(c *nftables.Conn, t *nftables.Table) error { c.FlushTable(t); return nil },
		"an element less": func(c *nftables.Conn, t *nftables.Table) error {
			return c.SetDeleteElements(setOf(t, false), []nftables.SetElement{{Key: netip.MustParseAddr("192.0.2.1").AsSlice()}})
		},
		"an element more": func(c *nftables.Conn, t *nftables.Table) error {
			return c.SetAddElements(setOf(t, false), []nftables.SetElement{{Key: netip.MustParseAddr("192.0.2.2").AsSlice()}})
		},
		"a rule more": func(c *nftables.Conn, t *nftables.Table) error {
			c.InsertRule(&nftables.Rule{Table: t, Chain: inputChain(t), Exprs: neighbourDiscovery()})
			return nil
		},
		"another rule in its place": func(c *nftables.Conn, t *nftables.Table) error {
			all, err := c.GetRules(t, inputChain(t))
			if err != nil {
				return err
			}
			last := all[len(all)-1]
			last.Exprs = append(matchDestination(setOf(t, true), true), neighbourDiscovery()...)
			c.ReplaceRule(last)
			return nil
		},
		"another policy": func(c *nftables.Conn, t *nftables.Table) error {
			chain, drop := inputChain(t), nftables.ChainPolicyDrop
			chain.Policy = &drop
			c.AddChain(chain)
			return nil
		},
	} {
		if err := k.Add(d); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time by the generation alone
			if seen, err := k.Look([]vip.Object{d}); err != nil || seen[0] != vip.InPlace {
				t.Fatalf("seen as %v, %v", seen, err)
			}
		}
		nft, err := nftables.New()
		if err == nil {
			err = do(nft, table(d))
		}
		if err == nil {
			err = nft.Flush()
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if seen, err := k.Look([]vip.Object{d}); err != nil || seen[0] != vip.Differs {
			t.Errorf("%s: seen as %v, %v", name, seen, err)
		}
		if err := k.Remove(d); err != nil {
			t.Fatal(err)
		}
	}
}

// Instances that do not accept begin together at a start: their tables are made side
// by side.
func TestDropsSideBySide(t *testing.T) {
	k := open(t)
	var all errgroup.Group
	for i := range 8 {
		d := vip.Drop{Instance: fmt.Sprintf("n%d", i), Addresses: fmt.Sprintf("192.0.2.%d 2001:db8::%d", 1+i, 1+i)}
		t.Cleanup(func() {
			if err := k.Remove(d); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() error { return k.Add(d) })
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
}

// TestDeafMacvlan: one that somebody keeps from ARP, or from multicast, answers nobody.
func TestDeafMacvlan(t *testing.T) {
	pair(t)
	k := open(t)
	m := vip.Macvlan{Name: "vrrp4-51", Parent: "u0", MAC: [6]byte{0, 0, 0x5e, 0, 1, 51}}
	if err := k.Add(m); err != nil {
		t.Fatal(err)
	}
	looksLike := func(want vip.Sight) {
		t.Helper()
		if seen, err := k.Look([]vip.Object{m}); err != nil || seen[0] != want {
			t.Errorf("it looks like %v, %v; want %v", seen, err, want)
		}
	}
	looksLike(vip.InPlace)
	l, err := netlink.LinkByName(m.Name)
	if err != nil {
		t.Fatal(err)
	}
	for _, spoil := range []struct{ off, on func(netlink.Link) error }{
		{netlink.LinkSetARPOff, netlink.LinkSetARPOn}, {netlink.LinkSetMulticastOff, netlink.LinkSetMulticastOn},
	} {
		if err := spoil.off(l); err != nil {
			t.Fatal(err)
		}
		looksLike(vip.Differs)
		if err := spoil.on(l); err != nil {
			t.Fatal(err)
		}
		looksLike(vip.InPlace)
	}
}
