package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"usher/vrrp/dump"
)

// mark is what IFA_PROTO says of an announced address: one above that of VRRP's, which are
// cleaned up by others. Kernels before 5.18 keep none: there only addresses that this
// process has added itself are known as usher's.
const mark = 113

// ifaProto is IFA_PROTO of linux/if_addr.h, which says who made an address.
const ifaProto = 11

// forever is a lifetime without end (INFINITY_LIFE_TIME).
const forever = 1<<32 - 1

// Host is this machine, in the network namespace of its process.
type Host struct {
	mu    sync.Mutex
	added map[netip.Prefix]bool
}

// New gives a Host. It touches nothing until Hold.
func New() *Host { return &Host{added: map[netip.Prefix]bool{}} }

// found is an address on lo.
type found struct {
	prefix netip.Prefix
	ours   bool
}

// Hold makes want all of usher's addresses on lo, and gives those of want that are there,
// also beside an error. One that somebody else put there is left to him, and counts.
func (h *Host) Hold(want []netip.Prefix) (bound []netip.Prefix, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return nil, fmt.Errorf("find lo: %w", err)
	}
	have, err := list(lo.Index)
	if err != nil {
		return nil, fmt.Errorf("list the addresses of lo: %w", err)
	}
	there, wanted := make(map[netip.Prefix]bool, len(have)), make(map[netip.Prefix]bool, len(want))
	for _, f := range have {
		there[f.prefix] = true
	}
	var errs []error
	for _, p := range want {
		wanted[p] = true
		if there[p] {
			bound = append(bound, p)
			continue
		}
		if err := request(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK, lo.Index, p); err != nil && !errors.Is(err, unix.EEXIST) {
			errs = append(errs, fmt.Errorf("add %s: %w", p, err))
			continue
		}
		h.added[p] = true
		bound = append(bound, p)
	}
	for _, f := range have {
		if wanted[f.prefix] || !f.ours && !h.added[f.prefix] {
			continue
		}
		if err := request(unix.RTM_DELADDR, unix.NLM_F_ACK, lo.Index, f.prefix); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			errs = append(errs, fmt.Errorf("remove %s: %w", f.prefix, err))
			bound = append(bound, f.prefix)
			continue
		}
		delete(h.added, f.prefix)
	}
	return bound, errors.Join(errs...)
}

// Clear removes all of usher's announced addresses, and gives those that it removed.
func (h *Host) Clear() (removed []netip.Prefix, err error) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return nil, fmt.Errorf("find lo: %w", err)
	}
	have, err := list(lo.Index)
	if err != nil {
		return nil, fmt.Errorf("list the addresses of lo: %w", err)
	}
	left, err := h.Hold(nil)
	for _, f := range have {
		if f.ours && !slices.Contains(left, f.prefix) {
			removed = append(removed, f.prefix)
		}
	}
	return removed, err
}

// request sends one request about an address of lo.
func request(kind, flags, index int, p netip.Prefix) error {
	family := unix.AF_INET
	if p.Addr().Is6() {
		family = unix.AF_INET6
	}
	msg := nl.NewIfAddrmsg(family)
	msg.Prefixlen, msg.Index = uint8(p.Bits()), uint32(index)
	if family == unix.AF_INET6 {
		msg.IfAddrmsg.Flags = unix.IFA_F_NODAD
	}
	req := nl.NewNetlinkRequest(kind, flags)
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.IFA_LOCAL, p.Addr().AsSlice()))
	req.AddData(nl.NewRtAttr(unix.IFA_ADDRESS, p.Addr().AsSlice()))
	if kind == unix.RTM_NEWADDR {
		// A deprecated address is no source of this machine's own connections.
		cache := nl.IfaCacheInfo{IfaCacheinfo: unix.IfaCacheinfo{Prefered: 0, Valid: forever}}
		req.AddData(nl.NewRtAttr(unix.IFA_CACHEINFO, cache.Serialize()))
		req.AddData(nl.NewRtAttr(ifaProto, []byte{mark}))
	}
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// list gives the addresses of an interface.
func list(index int) ([]found, error) {
	messages, err := dump.Read(func() ([][]byte, error) {
		req := nl.NewNetlinkRequest(unix.RTM_GETADDR, unix.NLM_F_DUMP)
		req.AddData(nl.NewIfAddrmsg(unix.AF_UNSPEC))
		return req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWADDR)
	})
	if err != nil {
		return nil, err
	}
	var all []found
	for _, m := range messages {
		if f, at, ok := parse(m); ok && at == index {
			all = append(all, f)
		}
	}
	return all, nil
}

// parse reads one address, and which interface it is on.
func parse(m []byte) (f found, index int, ok bool) {
	if len(m) < unix.SizeofIfAddrmsg {
		return f, 0, false
	}
	head := nl.DeserializeIfAddrmsg(m)
	attrs, err := nl.ParseRouteAttr(m[head.Len():])
	if err != nil {
		return f, 0, false
	}
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.IFA_LOCAL, unix.IFA_ADDRESS:
			if ip, valid := netip.AddrFromSlice(a.Value); valid && (!f.prefix.IsValid() || a.Attr.Type == unix.IFA_LOCAL) {
				f.prefix = netip.PrefixFrom(ip, int(head.Prefixlen))
			}
		case ifaProto:
			f.ours = len(a.Value) == 1 && a.Value[0] == mark
		}
	}
	return f, int(head.Index), f.prefix.IsValid()
}

// Down gives those of some interfaces that are not there, are not up, or have no carrier.
func (h *Host) Down(interfaces []string) (down []string, err error) {
	for _, name := range interfaces {
		link, err := netlink.LinkByName(name)
		var none netlink.LinkNotFoundError
		switch {
		case errors.As(err, &none):
			down = append(down, name)
		case err != nil:
			return nil, fmt.Errorf("interface %s: %w", name, err)
		case link.Attrs().RawFlags&unix.IFF_UP == 0 || link.Attrs().RawFlags&unix.IFF_RUNNING == 0:
			down = append(down, name)
		}
	}
	return down, nil
}

// Watch calls changed at once, and when addresses or interfaces have changed, until ctx ends.
func (h *Host) Watch(ctx context.Context, changed func()) error {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_LINK)
	if err != nil {
		return fmt.Errorf("watch addresses and interfaces: %w", err)
	}
	defer s.Close()
	stop := context.AfterFunc(ctx, s.Close)
	defer stop()
	changed()
	for {
		_, _, err := s.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !errors.Is(err, unix.ENOBUFS):
			return fmt.Errorf("watch addresses and interfaces: %w", err)
		}
		changed()
	}
}
