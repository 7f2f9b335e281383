package loop

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls of a probe, without the runtime's entry and exit around them.
// None of them blocks for long, so that the runtime need not take the processor away
// meanwhile; and an entry wakes the runtime's monitor thread if it sleeps, which at
// a few hundred wakes a second costs more than the probes. Pointers become numbers
// within the call's own arguments only (unsafe.Pointer, rule 4).

// errOf is an error number as an error, nil for none.
func errOf(errno unix.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}

// during names the system call of an error, nil for none: by it, whoever is told can
// tell what this machine refuses from what the network says.
func during(call string, err error) error { return os.NewSyscallError(call, err) }

// address is a socket address as the kernel has it.
type address struct {
	four bool
	v4   unix.RawSockaddrInet4
	v6   unix.RawSockaddrInet6
}

// set fills the address in, in place: none is made for each probe.
func (s *address) set(a netip.AddrPort) {
	addr := a.Addr().Unmap()
	port := binary.NativeEndian.Uint16([]byte{byte(a.Port() >> 8), byte(a.Port())})
	if s.four = addr.Is4(); s.four {
		s.v4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port, Addr: addr.As4()}
		return
	}
	s.v6 = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: addr.As16(), Scope_id: zone(addr)}
}

func (s *address) connect(fd int, a netip.AddrPort) error { return s.call(unix.SYS_CONNECT, fd, a) }
func (s *address) bind(fd int, a netip.AddrPort) error    { return s.call(unix.SYS_BIND, fd, a) }

func (s *address) call(call uintptr, fd int, a netip.AddrPort) error {
	if s.set(a); s.four {
		_, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&s.v4)), unsafe.Sizeof(s.v4))
		return errOf(errno)
	}
	_, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&s.v6)), unsafe.Sizeof(s.v6))
	return errOf(errno)
}

// disconnect resets a connection and leaves a socket that can be connected again
// (connect(2), "AF_UNSPEC").
func disconnect(fd int) error {
	none := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&none)), unsafe.Sizeof(none))
	return errOf(errno)
}

func setInt(fd, level, option, value int) error {
	v := int32(value)
	_, _, errno := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(&v)), unsafe.Sizeof(v), 0)
	return errOf(errno)
}

// tcpInfo reads TCP_INFO into space that is there.
func tcpInfo(fd int, info *unix.TCPInfo) error {
	size := uint32(unsafe.Sizeof(*info))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(info)), uintptr(unsafe.Pointer(&size)), 0)
	return errOf(errno)
}

// pendingError reads and clears SO_ERROR, what a connect came to.
func pendingError(fd int) error {
	var v int32
	size := uint32(unsafe.Sizeof(v))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_ERROR,
		uintptr(unsafe.Pointer(&v)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return during("getsockopt", errno)
	}
	return during("connect", errOf(unix.Errno(v)))
}

// poll looks once, without waiting.
func poll(list []unix.PollFd) error {
	var now unix.Timespec
	_, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&list[0])), uintptr(len(list)),
		uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return errOf(errno)
}

// napLength is as long as a near server takes to answer, and short beside the time
// between two batches.
const napLength = 200 * time.Microsecond

// nap lets the servers run.
func nap() {
	length := unix.NsecToTimespec(napLength.Nanoseconds())
	unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&length)), 0, 0)
}

// epollWait looks once, without waiting.
func epollWait(epoll int, events []unix.EpollEvent) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	return int(n), errOf(errno)
}

func epollControl(epoll, op, fd int, interest uint32) error {
	event := unix.EpollEvent{Events: interest, Fd: int32(fd)}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epoll), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&event)), 0, 0)
	return errOf(errno)
}

// send sends some of b, which is not empty.
func send(fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
	return int(n), errOf(errno)
}

// read reads into b, which is not empty.
func read(fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	return int(n), errOf(errno)
}

// zone is the interface index of a link-local address.
func zone(a netip.Addr) uint32 {
	if a.Zone() == "" {
		return 0
	}
	if n, err := strconv.ParseUint(a.Zone(), 10, 32); err == nil {
		return uint32(n)
	}
	if ifc, err := net.InterfaceByName(a.Zone()); err == nil {
		return uint32(ifc.Index)
	}
	return 0
}
