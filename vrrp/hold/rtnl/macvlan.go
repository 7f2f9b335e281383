package rtnl

import (
	"errors"
	"fmt"
	"io/fs"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/vrrp/hold"
)

// addMacvlan makes the interface. In private mode it hears its own network, but
// not other macvlans of the same parent, as is right for several virtual routers.
func (k *Kernel) addMacvlan(m hold.Macvlan) error {
	parent, err := k.handle.LinkByName(m.Parent)
	if err != nil {
		return fmt.Errorf("interface %s: %w", m.Parent, missing(err))
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex, attrs.HardwareAddr = m.Name, parent.Attrs().Index, net.HardwareAddr(m.MAC[:])
	err = k.handle.LinkAdd(&netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_PRIVATE})
	if errors.Is(err, fs.ErrExist) {
		if ours, e := k.hasMacvlan(m); e != nil || !ours {
			return fmt.Errorf("%s: the name is taken by another interface", m.Name)
		}
		return err
	}
	if err != nil {
		return err
	}
	return k.joinVRF(parent, m.Name)
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

func (k *Kernel) removeMacvlan(m hold.Macvlan) error {
	link, err := k.handle.LinkByName(m.Name)
	if err != nil {
		return missing(err)
	}
	return k.handle.LinkDel(link)
}

// hasMacvlan says whether the interface is there as we would make it.
func (k *Kernel) hasMacvlan(m hold.Macvlan) (bool, error) {
	link, err := k.handle.LinkByName(m.Name)
	if errors.Is(missing(err), unix.ENODEV) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	parent, err := k.handle.LinkByName(m.Parent)
	if err != nil {
		return false, nil // without its parent it is not the one we would make
	}
	return link.Type() == "macvlan" && link.Attrs().ParentIndex == parent.Attrs().Index && string(link.Attrs().HardwareAddr) == string(m.MAC[:]), nil
}

// setUp takes an interface up; it is fs.ErrExist where it is already.
func (k *Kernel) setUp(u hold.Up) error {
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
func (k *Kernel) setDown(u hold.Up) error {
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
