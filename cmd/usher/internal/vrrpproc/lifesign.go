package vrrpproc

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// lifeSign is a word of memory that processes share: when the child's loop was last at
// work. A process that is stopped or hung gives none, and leaves it behind when it dies.
type lifeSign struct {
	at   *atomic.Int64 // on the monotonic clock, in nanoseconds
	page []byte
}

// newLifeSign makes one, with the file by which another process can map it.
func newLifeSign() (*lifeSign, *os.File, error) {
	fd, err := unix.MemfdCreate("usher-life-sign", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, nil, fmt.Errorf("shared memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "life sign")
	if err = f.Truncate(int64(os.Getpagesize())); err == nil {
		var l *lifeSign
		if l, err = mapLifeSign(f); err == nil {
			return l, f, nil
		}
	}
	_ = f.Close()
	return nil, nil, err
}

// mapLifeSign maps the one of a file.
func mapLifeSign(f *os.File) (*lifeSign, error) {
	page, err := unix.Mmap(int(f.Fd()), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("shared memory: %w", err)
	}
	return &lifeSign{at: (*atomic.Int64)(unsafe.Pointer(&page[0])), page: page}, nil
}

// inheritedLifeSign is the one that a process was started with.
func inheritedLifeSign(fd int) (*lifeSign, error) {
	f := os.NewFile(uintptr(fd), "life sign")
	defer func() { _ = f.Close() }()
	return mapLifeSign(f)
}

func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // this clock is always there
	return ts.Nano()
}

// give says that this process is at work.
func (l *lifeSign) give() { l.at.Store(monotonic()) }

// age is how long ago the last one was; that of a process that never gave one is longer
// than any interval.
func (l *lifeSign) age() time.Duration { return time.Duration(monotonic() - l.at.Load()) }

func (l *lifeSign) close() { _ = unix.Munmap(l.page) }
