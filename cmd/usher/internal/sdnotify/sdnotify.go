// Package sdnotify tells systemd how the daemon stands: the datagrams of
// sd_notify(3), sent by coreos/go-systemd to the socket that NOTIFY_SOCKET names,
// within a time that the library does not bound.
package sdnotify

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Notifier speaks to the service manager. The zero value speaks to nobody, which
// is right wherever usher runs without one. Several goroutines may use it at once.
type Notifier struct {
	turn     chan struct{} // held while a datagram is on its way; nil where nobody listens
	limit    time.Duration // of a call
	watchdog time.Duration
}

// New reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. A watchdog meant for another
// process is none of ours (sd_watchdog_enabled(3)), nor is one that cannot be read.
func New() *Notifier {
	n := &Notifier{limit: time.Second}
	if os.Getenv("NOTIFY_SOCKET") != "" {
		n.turn = make(chan struct{}, 1)
	}
	n.watchdog, _ = daemon.SdWatchdogEnabled(false)
	return n
}

// WatchdogInterval is how often Watchdog must be called, half of what systemd
// waits for; 0 when nobody waits.
func (n *Notifier) WatchdogInterval() time.Duration { return n.watchdog / 2 }

// Ready says that the start, or a reload, is over. status is one line for people.
func (n *Notifier) Ready(status string) error {
	return n.send(daemon.SdNotifyReady + "\nSTATUS=" + status)
}

// Status is one line for people on how the daemon stands, which systemctl status shows.
func (n *Notifier) Status(line string) error { return n.send("STATUS=" + line) }

// Heard tells whether there is a service manager that wants to be told.
func (n *Notifier) Heard() bool { return n.turn != nil }

// Reloading says that a reload began. systemd wants the monotonic time with it
// (Type=notify-reload) to tell this reload's READY=1 from an earlier one.
func (n *Notifier) Reloading() error {
	return n.send(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// Stopping says that the daemon is on its way out.
func (n *Notifier) Stopping() error { return n.send(daemon.SdNotifyStopping) }

// Watchdog says that the daemon is alive.
func (n *Notifier) Watchdog() error { return n.send(daemon.SdNotifyWatchdog) }

// send gives up after a second on a service manager that does not read. What was given
// up is still sent once it reads; until then nothing else waits behind it.
func (n *Notifier) send(state string) error {
	if n.turn == nil {
		return nil
	}
	late := time.NewTimer(n.limit)
	defer late.Stop()
	select {
	case n.turn <- struct{}{}:
	case <-late.C:
		return errors.New("sdnotify: the service manager has not read what it was told before")
	}
	done := make(chan error, 1)
	go func() {
		_, err := daemon.SdNotify(false, state)
		<-n.turn
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("sdnotify: %w", err)
		}
		return nil
	case <-late.C:
		return fmt.Errorf("sdnotify: the service manager does not read within %s", n.limit)
	}
}
