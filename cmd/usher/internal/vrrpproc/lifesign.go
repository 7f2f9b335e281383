package vrrpproc

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"usher/vrrp"
)

// lifeSign is a page of memory that processes share: when the child's loop was last at
// work, and the last sequence number that was sent for each VRID. A process that is
// stopped or hung gives none, and leaves it behind when it dies: the guard resigns with
// later numbers, and the next child goes on after those, though the clock was set back.
type lifeSign struct {
	at     *atomic.Int64       // on the monotonic clock, in nanoseconds
	stamps *[256]atomic.Uint64 // by VRID; 0 for none
	page   []byte
}

// stampsAt is where the page has the stamps.
const stampsAt = 8

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
	return &lifeSign{
		at: (*atomic.Int64)(unsafe.Pointer(&page[0])), stamps: (*[256]atomic.Uint64)(unsafe.Pointer(&page[stampsAt])), page: page,
	}, nil
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

// Last implements engine.Stamps.
func (l *lifeSign) Last(vrid uint8) vrrp.Sequence { return vrrp.Sequence(l.stamps[vrid].Load()) }

// Keep implements engine.Stamps.
func (l *lifeSign) Keep(vrid uint8, s vrrp.Sequence) { l.stamps[vrid].Store(uint64(s)) }

// sequences are all stamps, for the next life sign to resume.
func (l *lifeSign) sequences() (all [256]uint64) {
	for i := range all {
		all[i] = l.stamps[i].Load()
	}
	return all
}

// resume puts the stamps of a life sign before this one here.
func (l *lifeSign) resume(all [256]uint64) {
	for i, s := range all {
		l.stamps[i].Store(s)
	}
}

func (l *lifeSign) close() { _ = unix.Munmap(l.page) }
