package vrrpproc

import (
	"os/signal"

	"golang.org/x/sys/unix"
)

// IgnoreSignals keeps this process, a VRRP process or a guard, from what ends the main one. A
// service manager sends a stop, a watchdog's SIGABRT or an administrator's signal to
// all processes of a service at once: the main one arranges the handover of what is
// held here, and where that is gone, the end of its connection has this one resign.
func IgnoreSignals() {
	signal.Ignore(unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGABRT, unix.SIGQUIT, unix.SIGPIPE, unix.SIGUSR1, unix.SIGUSR2)
}
