package rtnl

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/vrrp/vip"
)

// mark is IFA_PROTO of every address that usher puts into the kernel: the IP
// protocol number of VRRP, which no other program uses there. Kernels before
// 5.18 do not keep it.
const mark = 112

// Kernel is the system's network, in the network namespace in which it was opened.
type Kernel struct {
	conn     *conn           // requests about addresses; kept apart because they are in a hurry
	handle   *netlink.Handle // all other requests
	lister   *lister         // lists for looks
	settings settings
	markless bool // the kernel does not keep the mark
	added    added

	numbering sync.Mutex // held while nftables sets are made

	mu      sync.Mutex
	links   map[string]net.Interface
	placed  map[vip.Object]int // the index of the interface that an object is on, which may have another name by now
	senders map[string]*sender
	drops   map[vip.Drop]uint32 // as of which generation of all rules it was seen in place
}

var _ vip.Kernel = (*Kernel)(nil)

// Open opens the network of the present namespace. Without CAP_NET_ADMIN it
// still opens; what it is asked to change then fails.
func Open() (*Kernel, error) {
	c, err := dial()
	if err != nil {
		return nil, fmt.Errorf("vrrp: open rtnetlink: %w", err)
	}
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("vrrp: open rtnetlink: %w", err), c.close())
	}
	l, err := newLister()
	if err != nil {
		h.Close()
		return nil, errors.Join(fmt.Errorf("vrrp: open rtnetlink: %w", err), c.close())
	}
	return &Kernel{
		conn: c, handle: h, lister: l, markless: markless(), links: map[string]net.Interface{}, placed: map[vip.Object]int{},
		senders: map[string]*sender{}, drops: map[vip.Drop]uint32{},
	}, nil
}

// Close frees the sockets. What is held stays.
func (k *Kernel) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.handle.Close()
	errs := []error{k.conn.close(), k.lister.close(), k.added.close()}
	for name, s := range k.senders {
		errs = append(errs, s.close())
		delete(k.senders, name)
	}
	return errors.Join(errs...)
}

// link gives an interface by its name, remembered until it changes.
func (k *Kernel) link(name string) (net.Interface, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.linkLocked(name)
}

func (k *Kernel) linkLocked(name string) (net.Interface, error) {
	if ifi, ok := k.links[name]; ok {
		return ifi, nil
	}
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return net.Interface{}, fmt.Errorf("interface %s: %w", name, noDevice(err))
	}
	k.links[name] = *ifi
	return *ifi, nil
}

// noDevice names the error that package net hides in a text.
func noDevice(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil && op.Err.Error() == "no such network interface" {
		return unix.ENODEV
	}
	return err
}

// forget drops what is remembered of an interface, which is another one now or
// has another hardware address.
func (k *Kernel) forget(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.links, name)
	if s := k.senders[name]; s != nil {
		_ = s.close() // the interface it was bound to may be gone; there is nothing to mend
		delete(k.senders, name)
	}
}

// place notes which interface an object is on.
func (k *Kernel) place(o vip.Object, index int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.placed[o.Identity()] = index
}

// placeOf gives the interface that an object was put on, and forgets it where it
// will be gone.
func (k *Kernel) placeOf(o vip.Object, gone bool) (index int, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	index, known = k.placed[o.Identity()]
	if gone {
		delete(k.placed, o.Identity())
	}
	return index, known
}

// Add implements vip.Kernel.
func (k *Kernel) Add(o vip.Object) error {
	switch o := o.(type) {
	case vip.Address:
		return k.address(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, o)
	case vip.LocalRoute:
		return k.addLocalRoute(o)
	case vip.Route:
		return k.addRoute(o)
	case vip.Rule:
		return k.addRule(o)
	case vip.Macvlan:
		return k.addMacvlan(o)
	case vip.Up:
		return k.setUp(o)
	case vip.Sysctl:
		return k.settings.set(o)
	case vip.Drop:
		return k.addDrop(o)
	}
	return fmt.Errorf("%T: %w", o, errors.ErrUnsupported)
}

// Renew implements vip.Kernel.
func (k *Kernel) Renew(a vip.Address) error {
	return k.address(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, a)
}

// Remove implements vip.Kernel.
func (k *Kernel) Remove(o vip.Object) error {
	err := k.remove(o)
	for _, gone := range []error{unix.EADDRNOTAVAIL, unix.ESRCH, unix.ENODEV} {
		if errors.Is(err, gone) {
			return fmt.Errorf("%w (%w)", fs.ErrNotExist, err)
		}
	}
	return err
}

func (k *Kernel) remove(o vip.Object) error {
	switch o := o.(type) {
	case vip.Address:
		return k.address(unix.RTM_DELADDR, 0, o)
	case vip.LocalRoute:
		return k.removeLocalRoute(o)
	case vip.Route:
		return k.removeRoute(o)
	case vip.Rule:
		return k.removeRule(o)
	case vip.Macvlan:
		return k.removeMacvlan(o)
	case vip.Up:
		return k.setDown(o)
	case vip.Sysctl:
		return k.settings.putBack(o)
	case vip.Drop:
		return k.removeDrop(o)
	}
	return fmt.Errorf("%T: %w", o, errors.ErrUnsupported)
}
