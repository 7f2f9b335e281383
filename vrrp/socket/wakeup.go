package socket

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Wakeup wakes a thread that keeps to some of the processors, by the kernel alone: no
// other thread of the process has to run for it, as one has to for a channel.
type Wakeup struct {
	fd int
	on unix.CPUSet
}

// Wakeups gives two wakeups for threads on different halves of the processors, to be
// closed when both have ended.
func Wakeups() ([2]*Wakeup, error) {
	var both [2]*Wakeup
	for i, on := range halves() {
		fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
		if err != nil {
			if i > 0 {
				_ = both[0].Close()
			}
			return [2]*Wakeup{}, fmt.Errorf("vrrp: create an eventfd: %w", err)
		}
		both[i] = &Wakeup{fd, on}
	}
	return both, nil
}

// Own gives the calling goroutine a thread of its own, for good, which keeps to the
// wakeup's processors: it never goes back to the pool.
func (b *Wakeup) Own() {
	runtime.LockOSThread()
	// Where that is refused the thread runs wherever there is room.
	_ = unix.SchedSetaffinity(0, &b.on)
}

// Wake wakes the waiting thread, or keeps it from falling asleep. It never blocks.
func (b *Wakeup) Wake() {
	one := [8]byte{1}
	_, _ = unix.Write(b.fd, one[:]) // where the counter is full, it is ringing
}

// Wait waits until the wakeup rings, or for no reason.
func (b *Wakeup) Wait() { b.wait(nil) }

// waitFor is Wait, for a while at most.
func (b *Wakeup) waitFor(d time.Duration) {
	ts := unix.NsecToTimespec(int64(max(d, 0)))
	b.wait(&ts)
}

func (b *Wakeup) wait(limit *unix.Timespec) {
	poll := [1]unix.PollFd{{Fd: int32(b.fd), Events: unix.POLLIN}}
	if n, _ := unix.Ppoll(poll[:], limit, nil); n > 0 {
		var counter [8]byte
		_, _ = unix.Read(b.fd, counter[:])
	}
}

// Close frees the wakeup, which nobody may wait for or ring any more.
func (b *Wakeup) Close() error { return unix.Close(b.fd) }

// halves gives the processors that this process may run on in two halves; where
// there is one alone, both have it.
func halves() (both [2]unix.CPUSet) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil || all.Count() < 2 {
		return [2]unix.CPUSet{all, all}
	}
	for cpu, seen := 0, 0; seen < all.Count(); cpu++ {
		if all.IsSet(cpu) {
			both[seen*2/all.Count()].Set(cpu)
			seen++
		}
	}
	return both
}
