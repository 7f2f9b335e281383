package dns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Transport sends questions by UDP for all Readers that have it. The zero value is ready.
//
// What a question costs is not the question: it is the waking of threads, one for the
// answer of each, and the runtime's poller. Questions that are asked at nearly the same
// time go out together, by whoever comes first, who looks a moment later once for all of
// them whether they are answered, as they are by a server that is near. Each has a socket
// of its own all the same: whoever would forge an answer has to guess its port, too (RFC
// 5452, 9.2), and the kernel drops what others than the server send.
type Transport struct {
	mu    sync.Mutex
	queue []*flight
	led   bool // somebody is about to send what is in the queue
}

// looks are how long after the question, and after one another, it is looked whether it is
// answered, before each waits for itself.
var looks = [...]time.Duration{time.Millisecond, 4 * time.Millisecond, 15 * time.Millisecond}

// flight is one question on its way.
type flight struct {
	server netip.AddrPort
	packet []byte
	end    time.Time
	landed chan struct{} // closed when what is below is there

	fd    int
	first []byte // what came first; nil for nothing so far
	err   error  // the socket is closed then
}

// send sends a packet, and waits a moment for what comes, if anything, until end at most.
// The socket is the caller's, unless there is an error.
func (t *Transport) send(server netip.AddrPort, packet []byte, end time.Time) *flight {
	f := &flight{server: server, packet: packet, end: end, landed: make(chan struct{})}
	t.mu.Lock()
	t.queue = append(t.queue, f)
	lead := !t.led
	t.led = true
	t.mu.Unlock()
	if lead {
		runtime.Gosched() // to those that were woken by the same clock
		t.lead()
	}
	<-f.landed
	return f
}

// lead sends what is in the queue, and hands over what is answered soon.
func (t *Transport) lead() {
	var flying []*flight
	for {
		t.mu.Lock()
		queue := t.queue
		t.queue = nil
		t.led = len(queue) > 0
		t.mu.Unlock()
		if len(queue) == 0 {
			break
		}
		for _, f := range queue {
			if f.start(); f.err != nil {
				close(f.landed)
				continue
			}
			flying = append(flying, f)
		}
	}
	buffer := make([]byte, longest)
	for _, pause := range looks {
		if len(flying) == 0 {
			return
		}
		time.Sleep(pause)
		now, left := time.Now(), flying[:0]
		for _, f := range flying {
			if f.look(buffer) || !now.Before(f.end) {
				close(f.landed)
				continue
			}
			left = append(left, f)
		}
		flying = left
	}
	for _, f := range flying {
		close(f.landed)
	}
}

// start opens the socket and sends the question.
func (f *flight) start() {
	family, to, err := sockaddr(f.server)
	if err == nil {
		f.fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		err = os.NewSyscallError("socket", err)
	}
	if f.err = err; err != nil {
		return
	}
	if err = os.NewSyscallError("connect", unix.Connect(f.fd, to)); err == nil {
		_, err = unix.Write(f.fd, f.packet)
		err = os.NewSyscallError("write", err)
	}
	f.fail(err)
}

// fail notes an error, and closes the socket where it is one.
func (f *flight) fail(err error) {
	if f.err = err; err != nil {
		f.close()
	}
}

// look reads what has come, and tells whether there is something.
func (f *flight) look(buffer []byte) bool {
	n, err := unix.Read(f.fd, buffer)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return false
	case err != nil:
		f.fail(os.NewSyscallError("read", err))
	default:
		f.first = append(make([]byte, 0, n), buffer[:n]...)
	}
	return true
}

// close gives the socket back.
func (f *flight) close() { _ = unix.Close(f.fd) }

// sockaddr is an address as the kernel has it.
func sockaddr(a netip.AddrPort) (family int, to unix.Sockaddr, err error) {
	addr := a.Addr().Unmap()
	if addr.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(a.Port()), Addr: addr.As4()}, nil
	}
	six := &unix.SockaddrInet6{Port: int(a.Port()), Addr: addr.As16()}
	if zone := addr.Zone(); zone != "" {
		if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
			six.ZoneId = uint32(n)
			return unix.AF_INET6, six, nil
		}
		i, err := net.InterfaceByName(zone)
		if err != nil {
			return 0, nil, fmt.Errorf("there is no interface %s", zone)
		}
		six.ZoneId = uint32(i.Index)
	}
	return unix.AF_INET6, six, nil
}
