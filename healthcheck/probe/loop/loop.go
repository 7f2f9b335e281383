package loop

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"usher/healthcheck/internal/timers"
)

// The errors of a connection apart from the system's own.
var (
	// ErrTimeout: the deadline passed with the server silent.
	ErrTimeout = errors.New("timed out")
	// ErrLate: the deadline passed while this process did not get to run. It says
	// nothing of the server.
	ErrLate = errors.New("looked too late to tell")
	// ErrStopped: the loop ended.
	ErrStopped = errors.New("stopped")
)

// Exchange is what is said on one connection. Its methods are called from the
// loop's goroutine and must not block.
type Exchange interface {
	// Connected is called when the connection stands, with the time that the
	// handshake took. It returns what to send, nil to be done already.
	Connected(handshake time.Duration) []byte
	// Received takes a piece of the answer; at its end b is empty. It says when it
	// has enough. b is the loop's again on return.
	Received(b []byte, end bool) (done bool)
	// Ended is called once, last of all: nil if the exchange was done, ErrTimeout,
	// ErrLate, or what the system said.
	Ended(Phase, error)
}

// Phase is how far a connection got.
type Phase uint8

// The phases.
const (
	Connecting Phase = iota
	Sending
	Receiving
)

// Dial is a connection to be made.
type Dial struct {
	To        netip.AddrPort
	Bind      netip.AddrPort // invalid or zero parts for any
	Interface string
	Mark      uint32
	HalfOpen  bool // not with an exchange that sends
	Deadline  time.Time
	Exchange  Exchange
}

// plain says that a connection needs no options of its own.
func (d *Dial) plain() bool { return !d.Bind.IsValid() && d.Interface == "" && d.Mark == 0 }

// Loop makes the connections.
type Loop struct {
	mu     sync.Mutex
	mail   []Dial
	roused bool
	closed bool
	file   *os.File // the epoll descriptor, waited for by the runtime's own poller

	epoll  int
	conns  []*conn // by descriptor
	open   int     // connections under way
	timers timers.Queue[*conn]
	idle   [2][]*conn // descriptors at rest, IPv4 and IPv6
	spare  []*conn    // without a descriptor
	fresh  []*conn    // of this batch, not yet seen connected
	polls  []unix.PollFd
	events []unix.EpollEvent
	buffer []byte
	info   unix.TCPInfo
}

// New makes a loop. It holds no descriptor before Run.
func New() *Loop {
	return &Loop{epoll: -1, events: make([]unix.EpollEvent, 256), buffer: make([]byte, 16<<10)}
}

// Start hands connections over and returns at once. After Run has returned they
// end with ErrStopped; before it they wait.
func (l *Loop) Start(dials []Dial) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		for _, d := range dials {
			d.Exchange.Ended(Connecting, ErrStopped)
		}
		return
	}
	l.mail = append(l.mail, dials...)
	l.rouse()
	l.mu.Unlock()
}

// rouse makes a wait that is under way, or the next one, end at once. A deadline in
// the past does that within the runtime, without a system call.
func (l *Loop) rouse() {
	if l.roused || l.file == nil {
		return
	}
	l.roused = true
	l.file.SetReadDeadline(time.Unix(1, 0))
}

// Run works until ctx ends, and closes everything.
func (l *Loop) Run(ctx context.Context) error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("loop: epoll: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return fmt.Errorf("loop: epoll: %w", err)
	}
	file := os.NewFile(uintptr(fd), "epoll")
	defer file.Close()
	raw, err := file.SyscallConn()
	if err != nil {
		return fmt.Errorf("loop: epoll: %w", err)
	}
	l.epoll = fd
	l.mu.Lock()
	l.file = file
	l.mu.Unlock()
	stop := context.AfterFunc(ctx, func() {
		l.mu.Lock()
		l.rouse()
		l.mu.Unlock()
	})
	defer stop()
	defer l.shut()
	for ctx.Err() == nil {
		if err := l.wait(ctx, raw); err != nil {
			return err
		}
		l.round()
	}
	return nil
}

// wait sleeps until there is something to do.
func (l *Loop) wait(ctx context.Context, raw syscall.RawConn) error {
	l.mu.Lock()
	if len(l.mail) > 0 || ctx.Err() != nil {
		l.mu.Unlock()
		return nil
	}
	l.roused = false
	var until time.Time
	if t := l.timers.First(); t != nil {
		until = t.At
	}
	err := l.file.SetReadDeadline(until)
	l.mu.Unlock()
	if err != nil {
		return fmt.Errorf("loop: deadline: %w", err)
	}
	err = raw.Read(func(uintptr) bool { return l.collect() > 0 })
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("loop: wait: %w", err)
	}
	return nil
}

// round does all that is to be done: what has come in first, so that a deadline
// that passed while this process slept is believed only of servers that are silent still.
func (l *Loop) round() {
	for l.collect() == len(l.events) {
	}
	l.expire(time.Now())
	l.mu.Lock()
	mail := l.mail
	l.mail = nil
	l.mu.Unlock()
	for i := range mail {
		l.launch(&mail[i])
	}
	l.look()
}

// collect handles the events that are there, without waiting, and says how many.
func (l *Loop) collect() int {
	n, err := unix.EpollWait(l.epoll, l.events, 0)
	if err != nil {
		return 0
	}
	for _, ev := range l.events[:n] {
		if c := l.conns[ev.Fd]; c != nil && c.busy {
			l.ready(c)
		}
	}
	return n
}

// expire ends what is past its deadline.
func (l *Loop) expire(now time.Time) {
	for t := l.timers.First(); t != nil && !t.At.After(now); t = l.timers.First() {
		c := t.Value
		err := ErrTimeout
		if late := now.Sub(t.At); late > t.At.Sub(c.begun)/2 {
			err = ErrLate
		}
		l.end(c, err)
	}
}

// shut closes everything; what was under way ends with ErrStopped.
func (l *Loop) shut() {
	l.mu.Lock()
	l.closed, l.file = true, nil
	mail := l.mail
	l.mail = nil
	l.mu.Unlock()
	for i := range mail {
		mail[i].Exchange.Ended(Connecting, ErrStopped)
	}
	for t := l.timers.First(); t != nil; t = l.timers.First() {
		l.end(t.Value, ErrStopped)
	}
	for _, list := range l.idle {
		for _, c := range list {
			unix.Close(c.fd)
		}
	}
	l.idle = [2][]*conn{}
}
