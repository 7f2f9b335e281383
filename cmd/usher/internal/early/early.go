// Package early runs the processes that usher starts for itself with as little of the
// program as they need. Package initialisation comes in the order of import paths, once
// what a package imports is initialised (Go specification, "Program initialization"): this
// one's turn is before net/http's and so before that of what imports it, GoBGP, gRPC and
// Prometheus say, which else take memory and time in every process of the program. It is
// so as long as nothing that it imports needs net/http, which package arch looks after.
package early

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"

	"usher/cmd/usher/internal/logging"
	"usher/cmd/usher/internal/vrrpproc"
	"usher/healthcheck/redact"
)

// processes are those that init runs, by the program's first argument; each gives its exit
// status.
var processes = map[string]func(args []string) int{
	vrrpproc.ChildCommand: func(args []string) int { return child(args, os.Stderr) },
	vrrpproc.GuardCommand: func(args []string) int { return vrrpproc.Guard(args, os.Stdout, os.Stderr, guardLog(os.Stderr)) },
}

// init does not return where this is one of these processes.
func init() {
	if len(os.Args) < 2 || processes[os.Args[1]] == nil {
		return
	}
	// While packages are initialised this goroutine is bound to its thread: another one
	// is woken without a change of threads.
	status := make(chan int)
	go func() { status <- processes[os.Args[1]](os.Args[2:]) }()
	os.Exit(<-status)
}

// child is the VRRP process.
func child(args []string, stderr io.Writer) int {
	vrrpproc.IgnoreSignals()
	f := flag.NewFlagSet(vrrpproc.ChildCommand, flag.ContinueOnError)
	f.SetOutput(stderr)
	state := f.String("state", "", "as global.state")
	level, format := f.String("log-level", "info", "as global.log.level"), f.String("log-format", "text", "as global.log.format")
	if err := f.Parse(args); err != nil {
		return 2
	}
	if err := serve(stderr, *state, *level, *format); err != nil {
		fmt.Fprintf(stderr, "usher: %v\n", err)
		return 1
	}
	return 0
}

func serve(stderr io.Writer, state, level, format string) error {
	log, control := logging.New(stderr)
	if err := control.Set(level, format); err != nil {
		return err
	}
	in, err := vrrpproc.Inherited()
	if err != nil {
		return err
	}
	var secrets redact.Live
	control.Conceal(secrets.Text)
	return vrrpproc.Child(context.Background(), in, log.With(slog.String("process", "vrrp")), secrets.Know, state)
}

// guardLog is the log of the guard, as the daemon's: what it is told to conceal it does
// not show.
func guardLog(w io.Writer) func(level, format string) (*slog.Logger, func([]string), error) {
	return func(level, format string) (*slog.Logger, func([]string), error) {
		log, control := logging.New(w)
		var secrets redact.Live
		control.Conceal(secrets.Text)
		return log, secrets.Know, control.Set(level, format)
	}
}
