package command

import (
	"bytes"
	"context"
	"fmt"
	"syscall"
	"time"

	"usher/healthcheck"
	"usher/healthcheck/probe"
)

// grace is how long a track script or a notification has, after it was asked to end.
const grace = 500 * time.Millisecond

// Check runs the program of an exec check (probe.Commands).
func (r *Runner) Check(ctx context.Context, p probe.Program) (probe.Exit, error) {
	e, err := r.Run(ctx, Command{Args: p.Args, User: p.User, Env: p.Env, Stdout: true})
	return probe.Exit{Code: e.Code, Signal: e.Signal, Output: e.Head, Cut: e.Cut}, err
}

// Track runs the program of a track script (track.Options). The error of one that failed
// has the last line that it wrote on its standard error.
func (r *Runner) Track(ctx context.Context, args []string, user string) error {
	return r.succeed(ctx, Command{Args: args, User: user, Grace: grace})
}

// Notify runs the program of a notification, which may start something that stays.
func (r *Runner) Notify(ctx context.Context, args []string, user string, env []string) error {
	return r.succeed(ctx, Command{Args: args, User: user, Env: env, Grace: grace, Leave: true})
}

// succeed makes an error of every end but success.
func (r *Runner) succeed(ctx context.Context, c Command) error {
	e, err := r.Run(ctx, c)
	if err != nil {
		return err
	}
	what := ""
	switch {
	case e.Signal != 0:
		what = "ended by a signal: " + syscall.Signal(e.Signal).String()
	case e.Code != 0:
		what = fmt.Sprintf("exit status %d", e.Code)
	default:
		return nil
	}
	if line := lastLine(e.Tail); line != "" {
		what += ": " + line
	}
	return fmt.Errorf("%s", what)
}

// lastLine is the last one that is not empty, made printable.
func lastLine(said []byte) string {
	said = bytes.TrimSpace(said)
	return healthcheck.Printable(string(bytes.TrimSpace(said[bytes.LastIndexByte(said, '\n')+1:])))
}
