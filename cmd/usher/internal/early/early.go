// Package early runs the processes that usher starts for itself with as little of the
// program as they need. Package initialisation comes in the order of import paths, once
// what a package imports is initialised (Go specification, "Program initialization"): this
// one's turn is before net/http's and so before that of what imports it, GoBGP, gRPC and
// Prometheus say, which else take memory and time in every process of the program. It is
// so as long as nothing that it imports needs net/http, which package arch looks after.
package early

import (
	"io"
	"log/slog"
	"os"

	"usher/cmd/usher/internal/logging"
	"usher/cmd/usher/internal/vrrpproc"
)

// init does not return where this process is a guard.
func init() {
	if len(os.Args) < 2 || os.Args[1] != vrrpproc.GuardCommand {
		return
	}
	// While packages are initialised this goroutine is bound to its thread: another one
	// is woken without a change of threads.
	status := make(chan int)
	go func() { status <- vrrpproc.Guard(os.Args[2:], os.Stdout, os.Stderr, guardLog(os.Stderr)) }()
	os.Exit(<-status)
}

// guardLog is the log of the guard, as the daemon's.
func guardLog(w io.Writer) func(level, format string) (*slog.Logger, error) {
	return func(level, format string) (*slog.Logger, error) {
		log, control := logging.New(w)
		return log, control.Set(level, format)
	}
}
