package genl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"

	moby "github.com/moby/ipvs"
	"golang.org/x/sys/unix"

	"usher/director/ipvs"
)

// library is a handle of github.com/moby/ipvs with what that lacks: an end of the
// wait for an answer. It is not safe for concurrent use.
type library struct {
	handle *moby.Handle  // nil after an answer was waited for in vain
	netns  os.FileInfo   // that it was opened in
	wait   time.Duration // for all answers to one call
}

// openLibrary opens a handle in the network namespace of the calling thread. The
// module must be loaded: where it is not, the first handle of a process, and with it
// all later ones, would tell success of whatever they are asked for.
func openLibrary() (*library, error) {
	l := &library{wait: receiveTimeout}
	return l, l.open()
}

// open opens the handle, again after it was given up: in the same network namespace
// or not at all.
func (l *library) open() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	here, err := os.Stat("/proc/thread-self/ns/net")
	if err != nil {
		return fmt.Errorf("look up the network namespace: %w", err)
	}
	if l.netns != nil && !os.SameFile(here, l.netns) {
		return errors.New("the handle is gone, and its network namespace is not this thread's")
	}
	h, err := moby.New("")
	if err != nil {
		return fmt.Errorf("open a generic netlink socket: %w", err)
	}
	l.handle, l.netns = h, here
	return nil
}

// do calls the library, which asks again for ever where no answer comes: closing its
// socket is what ends that. The next call gets a new one.
func (l *library) do(call func(*moby.Handle) error) error {
	if l.handle == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	late := time.AfterFunc(l.wait, l.handle.Close)
	err := call(l.handle)
	if late.Stop() {
		return err
	}
	l.handle = nil
	if err == nil { // just in time
		return nil
	}
	return fmt.Errorf("no answer from the kernel within %s: %w", l.wait, unix.ETIMEDOUT)
}

func (l *library) close() {
	if l.handle != nil {
		l.handle.Close()
		l.handle = nil
	}
}

// expressible tells whether the library has words for all of an operation: it sends
// neither the address family of a destination nor the options of a tunnel.
func expressible(o ipvs.Op) bool {
	switch o.Kind {
	case ipvs.AddService, ipvs.EditService, ipvs.DelService:
		return true
	case ipvs.AddDestination, ipvs.EditDestination, ipvs.DelDestination:
		return o.Dest.Address.Unmap().Is6() == o.Key.Is6() && o.Destination.Tunnel == ipvs.Tunnel{}
	}
	return false
}

// write does one operation that is expressible.
func (l *library) write(o ipvs.Op) error {
	s, d := libraryService(o.Key, o.Service), libraryDestination(o.Dest, o.Destination)
	return l.do(func(h *moby.Handle) error {
		switch o.Kind {
		case ipvs.AddService:
			return h.NewService(s)
		case ipvs.EditService:
			return h.UpdateService(s)
		case ipvs.DelService:
			return h.DelService(s)
		case ipvs.AddDestination:
			return h.NewDestination(s, d)
		case ipvs.EditDestination:
			return h.UpdateDestination(s, d)
		case ipvs.DelDestination:
			return h.DelDestination(s, d)
		}
		return unix.EOPNOTSUPP
	})
}

// libraryService gives a service in the library's words. Its Netmask is what lies in
// the message: a mask in network order for IPv4, a prefix length for IPv6.
func libraryService(k ipvs.ServiceKey, s ipvs.Service) *moby.Service {
	out := &moby.Service{
		AddressFamily: family(k.Is6()), FWMark: k.Mark, Protocol: uint16(k.Protocol), Port: k.Port,
		SchedName: s.Scheduler, Flags: uint32(s.Flags), Timeout: s.Persistence, PEName: s.Engine,
		Netmask: uint32(s.Netmask),
	}
	if k.Mark == 0 {
		out.Address = net.IP(k.Address.Unmap().AsSlice())
	}
	if !k.Is6() {
		out.Netmask = binary.NativeEndian.Uint32(net.CIDRMask(int(min(s.Netmask, 32)), 32))
	}
	return out
}

func libraryDestination(k ipvs.DestinationKey, d ipvs.Destination) *moby.Destination {
	return &moby.Destination{
		Address: net.IP(k.Address.Unmap().AsSlice()), Port: k.Port, Weight: int(d.Weight),
		ConnectionFlags: uint32(d.Forward), UpperThreshold: d.Upper, LowerThreshold: d.Lower,
	}
}
