package wire

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// guard is a second thread that watches over the deadlines of the first. A timer
// fires on the processor that it was set on; where that one stands still (a
// virtual processor that its host gives no time, a long stretch in the kernel
// that nothing may interrupt), the real-time schedule is of no help, and the other
// processors run on. So each of the two threads keeps to one half of the
// processors, and what the first has not done shortly after it was due the
// second does.
type guard struct{ endFD int }

// backstop is how much later than the first thread the second one looks: more than
// the first takes when it is on time.
const backstop = 500 * time.Microsecond

// unguarded is how long the guard sleeps where no timer runs. A deadline that
// is set or moves nearer while it sleeps has the first thread alone.
const unguarded = 100 * time.Millisecond

func newGuard() (*guard, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("vrrp: create an eventfd: %w", err)
	}
	return &guard{fd}, nil
}

// end wakes the guard for good.
func (g *guard) end() {
	one := [8]byte{1}
	_, _ = unix.Write(g.endFD, one[:])
}

func (g *guard) close() { _ = unix.Close(g.endFD) }

// run is the second thread's life.
func (g *guard) run(ctx context.Context, l *Loop) {
	poll := []unix.PollFd{{Fd: int32(g.endFD), Events: unix.POLLIN}}
	for ctx.Err() == nil {
		left := unguarded
		if at, armed := l.overdue(); armed {
			left = time.Until(at) + backstop
		}
		ts := unix.NsecToTimespec(int64(max(left, 0)))
		_, _ = unix.Ppoll(poll, &ts, nil) // interrupted or not, the deadline is looked at next
	}
}

// overdue does what is due since some time, after it has read what has arrived, and
// gives the next deadline.
func (l *Loop) overdue() (at time.Time, armed bool) {
	l.turn.Lock()
	defer l.turn.Unlock()
	if at, armed = l.engine.Deadline(); armed && time.Until(at) <= -backstop {
		l.ears.drain(l.engine)
		l.engine.Expire(time.Now())
		at, armed = l.engine.Deadline()
	}
	return at, armed
}

// halves gives the processors that this process may run on in two halves; where
// there is one alone, both have it.
func halves() (first, second unix.CPUSet) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil || all.Count() < 2 {
		return all, all
	}
	for cpu, seen := 0, 0; seen < all.Count(); cpu++ {
		if !all.IsSet(cpu) {
			continue
		}
		if seen++; seen <= all.Count()/2 {
			first.Set(cpu)
		} else {
			second.Set(cpu)
		}
	}
	return first, second
}
