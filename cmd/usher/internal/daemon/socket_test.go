package daemon_test

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/daemon"
	"usher/cmd/usher/internal/events"
)

// TestControlSocketIsRestored: a control socket that somebody removed is back, and it is
// told. Meanwhile nobody may withdraw what the daemon holds.
func TestControlSocketIsRestored(t *testing.T) {
	f := newFixture(t)
	d, _ := f.start()
	if err := os.Remove(f.socket()); err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.LockState(f.state()); err == nil || !strings.Contains(err.Error(), "stop it first") {
		t.Errorf("the state folder of a daemon without its socket: %v", err)
	}
	f.await(d, func(e events.Event) bool { return e.Kind == "control_socket" && e.Severity == events.Warning }, f.ended)
	c, err := net.Dial("unix", f.socket())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// TestStartAwaitsWithdrawal: what a service manager runs after the end of one daemon may
// not be over when it starts the next.
func TestStartAwaitsWithdrawal(t *testing.T) {
	f := newFixture(t)
	_, stop := f.start()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	release, err := daemon.LockState(f.state())
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(100*time.Millisecond, func() { release() })
	f.start()
}
