package rtnl

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"usher/vrrp/vip"
)

// Watch implements vip.Kernel.
func (k *Kernel) Watch(ctx context.Context, report func(vip.Change)) error {
	s, err := subscribe(unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_LINK,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE)
	if err != nil {
		return fmt.Errorf("vrrp: watch addresses: %w", err)
	}
	defer s.Close()
	stop := context.AfterFunc(ctx, s.Close)
	defer stop()
	seen, err := k.review(report)
	if err != nil {
		return err
	}
	for {
		msgs, from, err := s.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			if seen, err = k.review(report); err != nil {
				return err
			}
			continue
		case err != nil:
			return fmt.Errorf("vrrp: watch addresses: %w", err)
		case from.Pid != nl.PidKernel:
			continue
		}
		for _, m := range msgs {
			switch m.Header.Type {
			case unix.RTM_NEWLINK, unix.RTM_DELLINK:
				l, ok := parseLink(m.Data)
				if !ok {
					continue
				}
				k.stale(m.Header.Type == unix.RTM_DELLINK, l)
				for _, c := range seen.changed(m.Header.Type == unix.RTM_DELLINK, l) {
					report(c)
				}
			case unix.RTM_DELROUTE:
				report(vip.Change{Routing: true})
			case unix.RTM_DELRULE:
				report(vip.Change{Routing: true})
			case unix.RTM_DELADDR:
				f, index, err := parseAddress(m.Data)
				if err != nil {
					continue // not an address that could be one of ours
				}
				if name, ok := k.nameOf(index); ok {
					report(vip.Change{Link: name, Address: f.Address.Prefix.Addr()})
				}
			}
		}
	}
}

// review reports what may have happened unheard: before the watch began, or because
// more happened than the socket holds. It gives all interfaces as they are now.
func (k *Kernel) review(report func(vip.Change)) (links, error) {
	all, err := readLinks()
	if err != nil {
		return links{}, fmt.Errorf("vrrp: watch addresses: %w", err)
	}
	k.mu.Lock()
	known := maps.Clone(k.links)
	k.mu.Unlock()
	for name, was := range known {
		if is, there := all.byName[name]; !there || is.index != was.Index || is.mac != string(was.HardwareAddr) {
			k.forget(name)
			report(vip.Change{Link: name})
		}
	}
	report(vip.Change{})
	return all, nil
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

// changed takes in a message about an interface, and gives what is new by it.
func (all links) changed(gone bool, l link) (changes []vip.Change) {
	was, known := all.byIndex[l.index]
	switch {
	case gone:
		delete(all.byIndex, l.index)
		changes = append(changes, vip.Change{Link: l.name})
	case !known:
		changes = append(changes, vip.Change{Link: l.name})
	case was.name != l.name:
		changes = append(changes, vip.Change{Link: was.name}, vip.Change{Link: l.name})
	case was.up != l.up || was.mac != l.mac || was.parent != l.parent || was.master != l.master:
		changes = append(changes, vip.Change{Link: l.name, Down: !l.up && was.up})
	}
	if !gone {
		all.byIndex[l.index] = l
	}
	return changes
}

// stale forgets what is remembered of an interface and is so no more: it is gone,
// has another name, or another hardware address.
func (k *Kernel) stale(gone bool, l link) {
	var all []string
	k.mu.Lock()
	for n, ifi := range k.links {
		if (ifi.Index == l.index || n == l.name) && (gone || ifi.Index != l.index || n != l.name || string(ifi.HardwareAddr) != l.mac) {
			all = append(all, n)
		}
	}
	k.mu.Unlock()
	for _, n := range all {
		k.forget(n)
	}
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
