package rtnl

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"usher/vrrp/hold"
)

// Watch implements hold.Kernel.
func (k *Kernel) Watch(ctx context.Context, report func(hold.Change)) error {
	s, err := subscribe(unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_LINK,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE)
	if err != nil {
		return fmt.Errorf("vrrp: watch addresses: %w", err)
	}
	defer s.Close()
	stop := context.AfterFunc(ctx, s.Close)
	defer stop()
	k.review(report)
	for {
		msgs, from, err := s.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == unix.ENOBUFS:
			k.review(report)
			continue
		case err != nil:
			return fmt.Errorf("vrrp: watch addresses: %w", err)
		case from.Pid != nl.PidKernel:
			continue
		}
		for _, m := range msgs {
			switch m.Header.Type {
			case unix.RTM_NEWLINK, unix.RTM_DELLINK:
				for _, name := range k.changedLink(m.Header.Type == unix.RTM_DELLINK, m.Data) {
					report(hold.Change{Link: name})
				}
			case unix.RTM_DELROUTE:
				report(hold.Change{Routing: true})
			case unix.RTM_DELRULE:
				report(hold.Change{Routing: true})
			case unix.RTM_DELADDR:
				f, index, err := parseAddress(m.Data)
				if err != nil {
					continue // not an address that could be one of ours
				}
				if name, ok := k.nameOf(index); ok {
					report(hold.Change{Link: name, Address: f.Address.Prefix.Addr()})
				}
			}
		}
	}
}

// review reports what may have happened unheard: before the watch began, or because
// more happened than the socket holds.
func (k *Kernel) review(report func(hold.Change)) {
	k.mu.Lock()
	known := maps.Clone(k.links)
	k.mu.Unlock()
	for name, was := range known {
		if is, err := net.InterfaceByName(name); err != nil || is.Index != was.Index || !bytes.Equal(is.HardwareAddr, was.HardwareAddr) {
			k.forget(name)
			report(hold.Change{Link: name})
		}
	}
	report(hold.Change{})
}

// subscribe joins groups of rtnetlink once the filter is there, so that nothing comes
// in before it.
func subscribe(groups ...int) (*nl.NetlinkSocket, error) {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	if err := attach(s.GetFd()); err != nil {
		s.Close()
		return nil, fmt.Errorf("filter: %w", err)
	}
	for _, g := range groups {
		if err := unix.SetsockoptInt(s.GetFd(), unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, g); err != nil {
			s.Close()
			return nil, fmt.Errorf("group %d: %w", g, err)
		}
	}
	return s, nil
}

// changedLink takes a message about an interface. Where that is not what is
// remembered (it is new, gone, renamed, or has another hardware address), the
// memory is cleared; the names of all interfaces concerned are returned.
func (k *Kernel) changedLink(gone bool, data []byte) (changed []string) {
	if len(data) < unix.SizeofIfInfomsg {
		return nil
	}
	index := int(nl.DeserializeIfInfomsg(data).Index)
	attrs, err := nl.ParseRouteAttr(data[unix.SizeofIfInfomsg:])
	if err != nil {
		return nil
	}
	var name, mac string
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.IFLA_IFNAME:
			name = unix.ByteSliceToString(a.Value)
		case unix.IFLA_ADDRESS:
			mac = string(a.Value)
		}
	}
	k.mu.Lock()
	for n, ifi := range k.links {
		if (ifi.Index == index || n == name) && (gone || ifi.Index != index || n != name || string(ifi.HardwareAddr) != mac) {
			changed = append(changed, n)
		}
	}
	_, known := k.links[name]
	k.mu.Unlock()
	for _, n := range changed {
		k.forget(n)
	}
	if !known && !gone {
		changed = append(changed, name) // perhaps one that somebody waits for
	}
	return changed
}

// nameOf gives the name of an interface that was used before.
func (k *Kernel) nameOf(index uint32) (string, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for n, ifi := range k.links {
		if uint32(ifi.Index) == index {
			return n, true
		}
	}
	return "", false
}
