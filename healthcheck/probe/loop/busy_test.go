package loop

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// adopt has the loop serve a connection that it did not make.
func (l *Loop) adopt(c *conn) {
	l.conns = append(l.conns, make([]*conn, c.fd+1)...)
	l.conns[c.fd] = c
	l.watch(c)
}

// alwaysReady is a descriptor that epoll tells of without end, though there is nothing
// to be read from it: an error waits in its queue that nobody fetches.
func alwaysReady(t *testing.T) int {
	t.Helper()
	closed, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	to := closed.LocalAddr().(*net.UDPAddr).AddrPort()
	closed.Close()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := setInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1); err != nil {
		t.Fatal(err)
	}
	var a address
	if err := a.connect(fd, to); err != nil {
		t.Fatal(err)
	}
	if _, err := send(fd, []byte("?")); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd)}}, -1); err != nil {
		t.Fatal(err)
	}
	if err := pendingError(fd); !errors.Is(err, unix.ECONNREFUSED) {
		t.Fatalf("the closed port gives %v", err)
	}
	return fd
}

// TestReadyForEver: a descriptor that is always ready keeps neither its own time from
// ending nor another's.
func TestReadyForEver(t *testing.T) {
	l := stalled(t)
	x := &line{}
	c := &conn{fd: alwaysReady(t), busy: true, phase: Receiving, exchange: x}
	c.timer.Value = c
	l.timers.Set(&c.timer, c.timeout.Begin(time.Now(), time.Hour))
	l.adopt(c)
	for range 3 {
		if l.collect() == 0 {
			t.Fatal("the descriptor is not ready again and again")
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !x.ended {
			l.expire(context.Background(), c.timer.At)
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("its time is never over")
	}
	if !errors.Is(x.err, ErrTimeout) || x.lost {
		t.Errorf("ended with %v, lost %t", x.err, x.lost)
	}
}

// TestOneWordOfAnAttempt: while a connection is being made the set tells once of each
// change, so that one that is ready and comes no further does not keep the loop busy.
func TestOneWordOfAnAttempt(t *testing.T) {
	l := stalled(t)
	fd := alwaysReady(t)
	defer unix.Close(fd)
	l.adopt(&conn{fd: fd, phase: Connecting})
	if first, second := l.collect(), l.collect(); first != 1 || second != 0 {
		t.Errorf("told %d times, then %d more; want once", first, second)
	}
}
