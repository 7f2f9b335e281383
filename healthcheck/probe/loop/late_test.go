package loop

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// line is an exchange that says something and waits for any answer.
type line struct {
	ended bool
	err   error
}

func (x *line) Connected(time.Duration) []byte { return []byte("hello\n") }
func (x *line) Received([]byte, bool) bool     { return true }
func (x *line) Ended(_ Phase, err error)       { x.ended, x.err = true, err }

// stalled is a loop that nobody runs, as in a process that does not get to: what is
// begun is under way, and looked at when expire is called.
func stalled(t *testing.T) *Loop {
	t.Helper()
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	l := New()
	l.epoll, l.file = fd, os.NewFile(uintptr(fd), "epoll")
	t.Cleanup(func() {
		file := l.file
		l.shut()
		file.Close()
	})
	return l
}

// TestDeadlineSeenLate: a server that was silent at its deadline timed out; seen long
// after, that tells of this process alone; and an answer that came meanwhile counts,
// however late it is seen.
func TestDeadlineSeenLate(t *testing.T) {
	const timeout = time.Hour // of which nothing passes here
	for _, tc := range []struct {
		name    string
		answers bool
		after   time.Duration // the deadline
		want    error
	}{
		{"in time", false, time.Millisecond, ErrTimeout},
		{"a little late", false, timeout / 3, ErrTimeout},
		{"by more than half the timeout", false, timeout * 2 / 3, ErrLate},
		{"answered", true, time.Millisecond, nil},
		{"answered, and seen very late", true, 10 * timeout, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			l := stalled(t)
			x := &line{}
			l.Start([]Dial{{To: server.Addr().(*net.TCPAddr).AddrPort(), Timeout: timeout, Speaks: true, Exchange: x}})
			other, err := server.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			c := l.timers.First().Value
			deadline := c.begun.Add(timeout)
			if l.expire(context.Background(), deadline.Add(-time.Second)); x.ended {
				t.Fatalf("ended before its deadline: %v", x.err)
			}
			if tc.answers {
				if _, err := other.Write([]byte("hello\n")); err != nil {
					t.Fatal(err)
				}
				if _, err := unix.Poll([]unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}, -1); err != nil {
					t.Fatal(err)
				}
			}
			l.expire(context.Background(), deadline.Add(tc.after))
			if !x.ended || !errors.Is(x.err, tc.want) {
				t.Errorf("ended %v with %v, not %v", x.ended, x.err, tc.want)
			}
		})
	}
}

// TestMark: a connection has the mark that is given.
func TestMark(t *testing.T) {
	server, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	l := stalled(t)
	l.Start([]Dial{{To: server.Addr().(*net.TCPAddr).AddrPort(), Timeout: time.Hour, Speaks: true, Mark: 7, Exchange: &line{}}})
	if got, err := unix.GetsockoptInt(l.timers.First().Value.fd, unix.SOL_SOCKET, unix.SO_MARK); err != nil || got != 7 {
		t.Errorf("mark %d, %v", got, err)
	}
}

// TestTimeoutCountsFromTheConnect: of connections that are begun one after the other,
// each has the whole time.
func TestTimeoutCountsFromTheConnect(t *testing.T) {
	server, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	l := stalled(t)
	dial := Dial{To: server.Addr().(*net.TCPAddr).AddrPort(), Timeout: time.Hour, Speaks: true, Exchange: &line{}}
	l.Start([]Dial{dial, dial, dial})
	n := 0
	for t1 := l.timers.First(); t1 != nil; t1 = l.timers.First() {
		if got := t1.At.Sub(t1.Value.begun); got != time.Hour {
			t.Errorf("a connection has %s, not an hour", got)
		}
		n++
		l.end(t1.Value, ErrStopped)
	}
	if n != 3 {
		t.Errorf("%d connections are under way", n)
	}
}
