// Package sdnotify tells systemd how the daemon stands: the datagrams of
// sd_notify(3), sent to the socket that NOTIFY_SOCKET names.
package sdnotify

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Notifier speaks to the service manager. The zero value speaks to nobody, which
// is right wherever usher runs without one.
type Notifier struct {
	socket   string
	watchdog time.Duration
}

// New reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID through getenv (os.Getenv
// in the program). pid is this process's own: a watchdog meant for another process
// is none of ours (sd_watchdog_enabled(3)).
func New(getenv func(string) string, pid int) *Notifier {
	n := &Notifier{socket: getenv("NOTIFY_SOCKET")}
	if p := getenv("WATCHDOG_PID"); p != "" && p != strconv.Itoa(pid) {
		return n
	}
	if usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64); err == nil && usec > 0 {
		n.watchdog = time.Duration(usec) * time.Microsecond
	}
	return n
}

// WatchdogInterval is how often Watchdog must be called, half of what systemd
// waits for; 0 when nobody waits.
func (n *Notifier) WatchdogInterval() time.Duration { return n.watchdog / 2 }

// Ready says that the start, or a reload, is over. status is one line for people.
func (n *Notifier) Ready(status string) error {
	return n.send("READY=1\nSTATUS=" + status)
}

// Status is one line for people on how the daemon stands, which systemctl status shows.
func (n *Notifier) Status(line string) error { return n.send("STATUS=" + line) }

// Heard tells whether there is a service manager that wants to be told.
func (n *Notifier) Heard() bool { return n.socket != "" }

// Reloading says that a reload began. systemd wants the monotonic time with it
// (Type=notify-reload) to tell this reload's READY=1 from an earlier one.
func (n *Notifier) Reloading() error {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return fmt.Errorf("sdnotify: read the monotonic clock: %w", err)
	}
	return n.send(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", ts.Nano()/1000))
}

// Stopping says that the daemon is on its way out.
func (n *Notifier) Stopping() error { return n.send("STOPPING=1") }

// Watchdog says that the daemon is alive.
func (n *Notifier) Watchdog() error { return n.send("WATCHDOG=1") }

func (n *Notifier) send(state string) error {
	if n.socket == "" {
		return nil
	}
	name := n.socket
	if name[0] == '@' { // abstract namespace, as sd_notify(3) writes it
		name = "\x00" + name[1:]
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("sdnotify: open %s: %w", n.socket, err)
	}
	defer c.Close()
	if err := c.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return fmt.Errorf("sdnotify: %w", err)
	}
	if _, err := c.Write([]byte(state)); err != nil {
		return fmt.Errorf("sdnotify: write to %s: %w", n.socket, err)
	}
	return nil
}

// FromEnvironment is New for this process.
func FromEnvironment() *Notifier { return New(os.Getenv, os.Getpid()) }
