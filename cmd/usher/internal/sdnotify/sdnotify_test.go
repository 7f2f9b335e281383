package sdnotify

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// TestDatagrams holds what reaches the service manager's socket against the words
// of sd_notify(3).
func TestDatagrams(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	n := New()

	for _, c := range []struct {
		name string
		call func() error
		want string
	}{
		{"ready", func() error { return n.Ready("1 instance") }, `^READY=1\nSTATUS=1 instance$`},
		{"status", func() error { return n.Status("nobody is needed") }, `^STATUS=nobody is needed$`},
		{"reloading", n.Reloading, `^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*\n$`},
		{"stopping", n.Stopping, `^STOPPING=1$`},
		{"watchdog", n.Watchdog, `^WATCHDOG=1$`},
	} {
		if err := c.call(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		buf := make([]byte, 512)
		size, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if !regexp.MustCompile(c.want).Match(buf[:size]) {
			t.Errorf("%s: got %q, want %s", c.name, buf[:size], c.want)
		}
	}
}

func TestAbstractSocket(t *testing.T) {
	name := "usher-sdnotify-test-" + filepath.Base(t.TempDir()) + time.Now().Format("150405.000000")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "\x00" + name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", "@"+name)
	if err := New().Stopping(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	if size, err := conn.Read(buf); err != nil || string(buf[:size]) != "STOPPING=1" {
		t.Fatalf("got %q, %v", buf[:size], err)
	}
}

func TestNobodyListens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	n := New()
	if err := n.Ready("x"); err != nil {
		t.Errorf("without NOTIFY_SOCKET: %v", err)
	}
	if n.Heard() {
		t.Error("without NOTIFY_SOCKET somebody hears")
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "no"))
	if err := New().Ready("x"); err == nil {
		t.Error("a socket that is not there gave no error")
	}
}

func TestWatchdogInterval(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"20000000", "", 10 * time.Second},
		{"20000000", self, 10 * time.Second},
		{"20000000", "1" + self, 0}, // meant for another process
		{"", "", 0},
		{"nonsense", "", 0},
	} {
		t.Setenv("WATCHDOG_USEC", c.usec)
		t.Setenv("WATCHDOG_PID", c.pid)
		if got := New().WatchdogInterval(); got != c.want {
			t.Errorf("usec %q pid %q: %v, want %v", c.usec, c.pid, got, c.want)
		}
	}
}

// A service manager that does not read holds nothing up for longer than the limit, and
// no more than one datagram waits for it, which it gets when it reads.
func TestManagerThatDoesNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	n := New()
	n.limit = 500 * time.Millisecond // which a machine with much to do does not take for one that goes
	sent := 0
	for n.Watchdog() == nil {
		sent++
	}
	if err := n.Status("nobody hears this"); err == nil {
		t.Error("a second datagram waits")
	}
	n.limit = time.Minute
	said := make(chan error, 1)
	go func() { said <- n.Stopping() }()
	buf := make([]byte, 64)
	for i := range sent + 2 {
		size, err := conn.Read(buf)
		want := map[bool]string{true: "WATCHDOG=1", false: "STOPPING=1"}[i <= sent]
		if err != nil || string(buf[:size]) != want {
			t.Fatalf("datagram %d: %q, %v; want %s", i, buf[:size], err, want)
		}
	}
	if err := <-said; err != nil {
		t.Error(err)
	}
}
