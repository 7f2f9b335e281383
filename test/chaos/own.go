package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// healSwitches has the switches forward everything again. It runs inside the LAN's node.
func (w *World) healSwitches() error {
	nft, err := nftables.New()
	if err != nil {
		return err
	}
	tables, err := nft.ListTables()
	if err != nil {
		return err
	}
	for _, t := range tables {
		nft.DelTable(t)
	}
	if err := nft.Flush(); err != nil {
		return err
	}
	for _, b := range []string{"front", "back"} {
		l, err := netlink.LinkByName(b)
		if err == nil {
			err = netlink.LinkSetUp(l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// own brings a director's interfaces to how its owner wants them, but for what
// stays.
func (d *Director) own(ctx context.Context) {
	for _, l := range []string{"eth0", "eth1"} {
		how := d.left[l]
		if how == leftGone {
			continue
		}
		d.cable(ctx, l)
		if how != leftRenamed {
			d.rename(ctx, l, l)
		}
		if err := d.world.LAN.Do(func() error { return d.plugged(l, how) }); err != nil {
			d.world.note("  %s: the switch's port of %s: %v", d.Name, l, err)
		}
		if err := d.Do(func() error { return d.configured(l, how) }); err != nil {
			d.world.note("  %s: %s: %v", d.Name, l, err)
		}
	}
	if err := d.Do(rulesThere); err != nil {
		d.world.note("  %s: rules: %v", d.Name, err)
	}
}

// plugged sees to the switch's end of a cable.
func (d *Director) plugged(iface, how string) error {
	port, err := netlink.LinkByName(d.port(iface))
	if err != nil {
		return err
	}
	master, err := netlink.LinkByName(bridge(iface))
	if err != nil {
		return err
	}
	if how != leftApart && port.Attrs().MasterIndex != master.Attrs().Index {
		err = netlink.LinkSetMaster(port, master)
	}
	if how != leftNoCable {
		err = errors.Join(err, netlink.LinkSetUp(port))
	}
	if how == leftApart {
		return err
	}
	return errors.Join(err, netlink.LinkSetIsolated(port, false))
}

// arp turns an interface's ARP on or off.
func arp(l netlink.Link, on bool) error {
	if on {
		return netlink.LinkSetARPOn(l)
	}
	return netlink.LinkSetARPOff(l)
}

// configured sees to the director's end of it.
func (d *Director) configured(iface, how string) error {
	name := d.now(iface)
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	errs := []error{
		netlink.LinkSetMTU(l, 1500), netlink.LinkSetMulticastOn(l), arp(l, how != leftDeaf),
		os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("0"), 0o644),
	}
	if how == leftDown {
		return errors.Join(errs...)
	}
	errs = append(errs, netlink.LinkSetUp(l))
	for _, text := range base(d.n, iface) {
		p := netip.MustParsePrefix(text)
		a := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
		if p.Addr().Is6() {
			a.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrAdd(l, a); !errors.Is(err, unix.EEXIST) {
			errs = append(errs, err)
		}
		if p.Addr().Is6() {
			continue
		}
		// The kernel makes it with the address, and not again.
		to := p.Masked()
		route := &netlink.Route{
			LinkIndex: l.Attrs().Index, Scope: unix.RT_SCOPE_LINK, Protocol: unix.RTPROT_KERNEL, Src: p.Addr().AsSlice(),
			Dst: &net.IPNet{IP: to.Addr().AsSlice(), Mask: a.Mask},
		}
		if how != leftNoCable {
			errs = append(errs, netlink.RouteReplace(route))
		}
	}
	return errors.Join(append(errs, linkLocal(l, d.n))...)
}

// linkLocal sees to a link-local address, which the kernel makes when an interface
// comes up, and not again.
func linkLocal(l netlink.Link, n int) error {
	all, err := netlink.AddrList(l, netlink.FAMILY_V6)
	if err != nil || slices.ContainsFunc(all, func(a netlink.Addr) bool { return a.IP.IsLinkLocalUnicast() && a.ValidLft == 0 }) {
		return err
	}
	ip := net.ParseIP(fmt.Sprintf("fe80::ff:%d", n+1))
	return netlink.AddrAdd(l, &netlink.Addr{IPNet: &net.IPNet{IP: ip, Mask: net.CIDRMask(64, 128)}, Flags: unix.IFA_F_NODAD})
}

// rulesThere puts the kernel's own rules back.
func rulesThere() error {
	var errs []error
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		all, err := netlink.RuleList(family)
		if err != nil {
			return err
		}
		for table, priority := range map[int]int{unix.RT_TABLE_MAIN: 32766, unix.RT_TABLE_DEFAULT: 32767} {
			if family == netlink.FAMILY_V6 && table == unix.RT_TABLE_DEFAULT || slices.ContainsFunc(all, func(r netlink.Rule) bool { return r.Table == table && r.Priority == priority }) {
				continue
			}
			r := netlink.NewRule()
			r.Family, r.Table, r.Priority = family, table, priority
			if err := netlink.RuleAdd(r); err != nil {
				errs = append(errs, fmt.Errorf("rule of table %d: %w", table, err))
			}
		}
	}
	return errors.Join(errs...)
}

// inMaintenance says whether the director is, by its own word.
func (d *Director) inMaintenance(ctx context.Context) bool {
	var t told
	b, err := d.Control(ctx, "/api/v1/status")
	return err != nil || json.Unmarshal(b, &t) != nil || t.Maintenance
}
