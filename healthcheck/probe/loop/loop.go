package loop

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"usher/healthcheck/internal/timers"
)

// The errors of a connection apart from the system's own.
var (
	// ErrTimeout: the time is over, and the server was silent.
	ErrTimeout = errors.New("timed out")
	// ErrStopped: the loop ended.
	ErrStopped = errors.New("stopped")
)

// Exchange is what is said on one connection. Its methods are called one at a time,
// by the loop or by whoever starts connections; they must neither block nor call
// the loop.
type Exchange interface {
	// Connected is called when the connection stands, with the time that the
	// handshake took; 0, and perhaps a little earlier, if the Dial Speaks. It returns what to send, nil to be done already.
	Connected(handshake time.Duration) []byte
	// Received takes a piece of the answer; at its end b is empty. It says when it
	// has enough. b is the loop's again on return.
	Received(b []byte, end bool) (done bool)
	// Ended is called once, last of all: with no error if the exchange was done, else
	// with ErrTimeout, ErrStopped, or what the system said. Lost time is more than half
	// of the timeout in which this process did not get to run: a failure then says
	// nothing of the server.
	Ended(phase Phase, lost bool, err error)
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
	HalfOpen  bool          // not with an exchange that sends
	Speaks    bool          // the exchange always sends, and does not ask how long the handshake took
	Timeout   time.Duration // from when the connect begins to the end of the exchange; longer where this process did not get to run
	Exchange  Exchange
}

// plain says that a connection needs no options of its own.
func (d *Dial) plain() bool { return !d.Bind.IsValid() && d.Interface == "" && d.Mark == 0 }

// Loop makes the connections. Whoever starts some carries the first steps out
// himself: near servers have answered before he is done, and nobody need be woken.
// What takes longer is the running loop's.
type Loop struct {
	mu     sync.Mutex // held during all work, callbacks included
	mail   []Dial     // started before Run
	closed bool
	file   *os.File  // the epoll descriptor, waited for by the runtime's own poller
	armed  time.Time // the deadline of that wait; zero for none

	epoll  int
	conns  []*conn // by descriptor
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

// Start begins connections and returns without waiting for any of them; exchanges
// may end meanwhile. After Run has returned they end with ErrStopped; before it
// they wait.
func (l *Loop) Start(dials []Dial) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		for i := range dials {
			dials[i].Exchange.Ended(Connecting, false, ErrStopped)
		}
	case l.file == nil:
		l.mail = append(l.mail, dials...)
	default:
		l.begin(dials)
	}
}

// begin does as much of the connections as can be done now.
func (l *Loop) begin(dials []Dial) {
	for i := range dials {
		l.launch(&dials[i])
	}
	l.look()
	// A deadline that was armed and is no longer needed may stand: one wake too
	// many a second is cheaper than moving it for each probe.
	if t := l.timers.First(); t != nil && (l.armed.IsZero() || t.At.Before(l.armed)) {
		l.arm(t.At)
	}
}

// arm sets when the wait ends at the latest.
func (l *Loop) arm(at time.Time) {
	l.armed = at
	l.file.SetReadDeadline(at)
}

// Run serves connections until ctx ends, and closes everything.
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
	conn, err := file.SyscallConn()
	if err != nil {
		return fmt.Errorf("loop: epoll: %w", err)
	}
	defer l.shut()
	l.mu.Lock()
	l.epoll, l.file = fd, file
	l.begin(l.mail)
	l.mail = nil
	l.mu.Unlock()
	// A deadline in the past ends the wait without a system call.
	stop := context.AfterFunc(ctx, func() {
		l.mu.Lock()
		l.arm(time.Unix(1, 0))
		l.mu.Unlock()
	})
	defer stop()
	for ctx.Err() == nil {
		err := conn.Read(func(uintptr) bool { return l.collect() > 0 })
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			l.expire(ctx, time.Now())
		case err != nil:
			return fmt.Errorf("loop: wait: %w", err)
		}
	}
	return nil
}

// collect handles the events that are there, without waiting, and says how many.
func (l *Loop) collect() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := epollWait(l.epoll, l.events)
	if err != nil {
		return 0
	}
	for _, ev := range l.events[:n] {
		if c := l.conns[ev.Fd]; c != nil && c.busy {
			l.ready(c, ev.Events&unix.EPOLLERR != 0)
		}
	}
	return n
}

// expire ends what has had its time. What has come in goes first, so that the end of a
// time that this process slept through is believed only of servers that are silent still.
func (l *Loop) expire(ctx context.Context, now time.Time) {
	// Within so many rounds each that is ready has had its turn, even if one always is.
	for rounds := l.size()/len(l.events) + 1; rounds > 0 && l.collect() > 0; rounds-- {
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for t := l.timers.First(); t != nil && !t.At.After(now); t = l.timers.First() {
		c := t.Value
		if again, over := c.timeout.Look(now); !over {
			l.timers.Set(t, again)
		} else {
			l.end(c, ErrTimeout)
		}
	}
	var next time.Time
	if t := l.timers.First(); t != nil {
		next = t.At
	}
	if ctx.Err() == nil {
		l.arm(next)
	}
}

// size is how many descriptors there are at most.
func (l *Loop) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// shut closes everything; what was under way ends with ErrStopped.
func (l *Loop) shut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed, l.file = true, nil
	for i := range l.mail {
		l.mail[i].Exchange.Ended(Connecting, false, ErrStopped)
	}
	l.mail = nil
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
