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
	lost  bool
	err   error
}

func (x *line) Connected(time.Duration) []byte { return []byte("hello\n") }
func (x *line) Received([]byte, bool) bool     { return true }
func (x *line) Ended(_ Phase, lost bool, err error) {
	x.ended, x.lost, x.err = true, lost, err
}

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

// inTime looks at everything when its time has come, for so long.
func (l *Loop) inTime(until time.Time) {
	for t := l.timers.First(); t != nil && t.At.Before(until); t = l.timers.First() {
		l.expire(context.Background(), t.At)
	}
}

// TestDeadlineSeenLate: a server that was silent for its time timed out; after a long
// stall that tells of this process alone; and an answer that came meanwhile counts,
// however late it is seen, as does one that comes soon after.
func TestDeadlineSeenLate(t *testing.T) {
	const timeout = time.Hour // of which nothing passes here
	for _, tc := range []struct {
		name          string
		before, after bool // the end of the stall, it answers
		stall         time.Duration
		took          time.Duration
		lost          bool
		want          error
	}{
		{"no stall", false, false, 0, timeout, false, ErrTimeout},
		{"a short one", false, false, timeout / 3, timeout * 19 / 12, false, ErrTimeout},
		{"more than half the timeout", false, false, timeout * 2 / 3, timeout * 5 / 3, true, ErrTimeout},
		{"answered", true, false, 0, timeout * 3 / 4, false, nil},
		{"answered during a short one", true, false, timeout / 3, timeout * 13 / 12, false, nil},
		{"answered soon after a very long one", false, true, 10 * timeout, timeout * 11, true, nil},
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
			answer := func() {
				if _, err := other.Write([]byte("hello\n")); err != nil {
					t.Fatal(err)
				}
				if _, err := unix.Poll([]unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}, -1); err != nil {
					t.Fatal(err)
				}
			}
			begun := c.timer.At.Add(-timeout / 4)
			l.inTime(begun.Add(timeout * 3 / 4))
			if x.ended {
				t.Fatalf("ended before its deadline: %v", x.err)
			}
			if tc.before {
				answer()
			}
			now := c.timer.At.Add(tc.stall)
			l.expire(context.Background(), now)
			if tc.after {
				answer()
			}
			for !x.ended {
				now = c.timer.At
				l.expire(context.Background(), now)
			}
			if took := now.Sub(begun); !errors.Is(x.err, tc.want) || x.lost != tc.lost || took.Round(time.Second) != tc.took.Round(time.Second) {
				t.Errorf("ended with %v after %s, lost %t; not %v after %s, lost %t", x.err, took, x.lost, tc.want, tc.took, tc.lost)
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
	last := time.Now().Add(time.Hour / 4) // when the first is looked at, at the earliest
	l.Start([]Dial{dial, dial, dial})
	n := 0
	for t1 := l.timers.First(); t1 != nil; t1 = l.timers.First() {
		if !t1.At.After(last) {
			t.Errorf("a connection has less than its hour: its time began with another's")
		}
		last = t1.At
		n++
		l.end(t1.Value, ErrStopped)
	}
	if n != 3 {
		t.Errorf("%d connections are under way", n)
	}
}
