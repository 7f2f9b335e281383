package probe

import (
	"errors"
	"os"
	"syscall"
)

// local says that an error is of this machine alone, so that it tells nothing of the
// server. Every type of check is judged here.
//
// Provably so are two kinds only: what went wrong before anything could be sent, as
// the bind to an address that is gone, and a want of something that all probes share,
// as descriptors, memory and ports. Everything else that a system call says of a
// connection is about the way to this one server, even where the word comes from this
// machine's own routes or firewall: connect gives EINVAL for a blackhole route, EACCES
// for a prohibit route and for ICMPv6 "administratively prohibited", EPERM for a
// packet that the firewall drops. Clients' packets take the same way, so these are failures.
func local(err error) bool {
	var call *os.SyscallError
	if errors.As(err, &call) && beforeAll(call.Syscall) {
		return true
	}
	for _, e := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		// connect chooses the port where none was bound; a datagram socket's says EAGAIN.
		syscall.EADDRNOTAVAIL, syscall.EADDRINUSE, syscall.EAGAIN,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// beforeAll says that a system call sends nothing.
func beforeAll(call string) bool {
	switch call {
	case "socket", "setsockopt", "getsockopt", "bind", "fcntl", "epoll_ctl":
		return true
	}
	return false
}
