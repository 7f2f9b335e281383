package sdnotify_test

import (
	"net"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"usher/cmd/usher/internal/sdnotify"
)

func environment(vars map[string]string) func(string) string {
	return func(k string) string { return vars[k] }
}

// TestDatagrams holds what reaches the service manager's socket against the words
// of sd_notify(3).
func TestDatagrams(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	n := sdnotify.New(environment(map[string]string{"NOTIFY_SOCKET": path}), 1)

	for _, c := range []struct {
		name string
		call func() error
		want string
	}{
		{"ready", func() error { return n.Ready("1 instance") }, `^READY=1\nSTATUS=1 instance$`},
		{"status", func() error { return n.Status("nobody is needed") }, `^STATUS=nobody is needed$`},
		{"reloading", n.Reloading, `^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*$`},
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
	if err := sdnotify.New(environment(map[string]string{"NOTIFY_SOCKET": "@" + name}), 1).Stopping(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	if size, err := conn.Read(buf); err != nil || string(buf[:size]) != "STOPPING=1" {
		t.Fatalf("got %q, %v", buf[:size], err)
	}
}

func TestNobodyListens(t *testing.T) {
	n := sdnotify.New(environment(nil), 1)
	if err := n.Ready("x"); err != nil {
		t.Errorf("without NOTIFY_SOCKET: %v", err)
	}
	if n.Heard() {
		t.Error("without NOTIFY_SOCKET somebody hears")
	}
	gone := sdnotify.New(environment(map[string]string{"NOTIFY_SOCKET": filepath.Join(t.TempDir(), "no")}), 1)
	if err := gone.Ready("x"); err == nil {
		t.Error("a socket that is not there gave no error")
	}
}

func TestWatchdogInterval(t *testing.T) {
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"20000000", "", 10 * time.Second},
		{"20000000", "7", 10 * time.Second},
		{"20000000", "8", 0}, // meant for another process
		{"", "", 0},
		{"nonsense", "", 0},
	} {
		n := sdnotify.New(environment(map[string]string{"WATCHDOG_USEC": c.usec, "WATCHDOG_PID": c.pid}), 7)
		if got := n.WatchdogInterval(); got != c.want {
			t.Errorf("usec %q pid %q: %v, want %v", c.usec, c.pid, got, c.want)
		}
	}
}
