package rtnl

import (
	"errors"
	"fmt"
	"io/fs"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/vrrp/vip"
)

// addMacvlan makes the interface. In private mode it hears its own network, but
// not other macvlans of the same parent, as is right for several virtual routers.
func (k *Kernel) addMacvlan(m vip.Macvlan) error {
	parent, err := k.handle.LinkByName(m.Parent)
	if err != nil {
		return fmt.Errorf("interface %s: %w", m.Parent, missing(err))
	}
	k.removeRenamed(m)
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex, attrs.HardwareAddr = m.Name, parent.Attrs().Index, net.HardwareAddr(m.MAC[:])
	made := &netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_PRIVATE}
	err = k.handle.LinkAdd(made)
	if errors.Is(err, fs.ErrExist) {
		if there, e := k.handle.LinkByName(m.Name); e != nil || there.Type() != "macvlan" {
			return fmt.Errorf("%s: the name is taken by another interface", m.Name)
		}
		return err
	}
	if err != nil {
		return err
	}
	k.place(m, made.Attrs().Index)
	if err := k.joinVRF(parent, m.Name); err != nil {
		return errors.Join(err, k.handle.LinkDel(made))
	}
	return nil
}

// removeRenamed removes the macvlan that was made before and has another name by
// now: its hardware address cannot be on two.
func (k *Kernel) removeRenamed(m vip.Macvlan) {
	index, known := k.placeOf(m, true)
	if !known {
		return
	}
	if l, err := k.handle.LinkByIndex(index); err == nil && l.Type() == "macvlan" && l.Attrs().Name != m.Name {
		_ = k.handle.LinkDel(l) // to make the other fails then, and says why
	}
}

// joinVRF puts the macvlan where its parent is.
func (k *Kernel) joinVRF(parent netlink.Link, name string) error {
	if parent.Attrs().MasterIndex == 0 {
		return nil
	}
	master, err := k.handle.LinkByIndex(parent.Attrs().MasterIndex)
	if err != nil {
		return err
	}
	if master.Type() != "vrf" {
		return nil
	}
	link, err := k.handle.LinkByName(name)
	if err != nil {
		return err
	}
	return k.handle.LinkSetMaster(link, master)
}

func (k *Kernel) removeMacvlan(m vip.Macvlan) error {
	k.removeRenamed(m)
	link, err := k.handle.LinkByName(m.Name)
	if err != nil {
		return missing(err)
	}
	if link.Type() != "macvlan" {
		return unix.ENODEV
	}
	return k.handle.LinkDel(link)
}

// setUp takes an interface up; it is fs.ErrExist where it is already.
func (k *Kernel) setUp(u vip.Up) error {
	link, err := k.handle.LinkByName(u.Link)
	if err != nil {
		return fmt.Errorf("interface %s: %w", u.Link, missing(err))
	}
	if link.Attrs().Flags&net.FlagUp != 0 {
		return fs.ErrExist
	}
	return k.handle.LinkSetUp(link)
}

// setDown takes an interface down; it is fs.ErrNotExist where it is already.
func (k *Kernel) setDown(u vip.Up) error {
	link, err := k.handle.LinkByName(u.Link)
	if err != nil {
		return missing(err)
	}
	if link.Attrs().Flags&net.FlagUp == 0 {
		return fs.ErrNotExist
	}
	return k.handle.LinkSetDown(link)
}

// missing gives the kernel's error for an interface that the library did not find.
func missing(err error) error {
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return unix.ENODEV
	}
	return err
}
