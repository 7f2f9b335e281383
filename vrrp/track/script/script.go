// Package script runs programs of the operator: without a shell, as a given user,
// in a process group of their own that is killed whole when time is up.
package script

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// grace is how long a group has, after it was asked to end, before it is killed.
const grace = 500 * time.Millisecond

// ErrTimeout says that a program did not end in its time.
var ErrTimeout = errors.New("timed out")

// Command is a program to run.
type Command struct {
	Args    []string // the program and its arguments
	User    string   // name, uid, or either with ":group"; "" for usher's own
	Timeout time.Duration
	Env     []string // added to the small environment that every program gets
}

// Run runs a program and waits for it. An exit status other than 0 is an error
// with the last line that the program wrote on its standard error. When time is
// up the error is ErrTimeout; when the context ends it is the context's.
func Run(ctx context.Context, c Command) error {
	if len(c.Args) == 0 {
		return errors.New("no command")
	}
	id, err := lookup(c.User)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, ErrTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Env = append(id.environment(), c.Env...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: id.credential}
	var said tail
	cmd.Stderr = &said
	// The group is asked to end, all of it; what is left of it is killed below.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	if err := cmd.Start(); err != nil {
		return err
	}
	err = cmd.Wait()
	if ctx.Err() != nil {
		// The first process is gone, others of its group need not be; where none is
		// left there is nothing to kill.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if cause := context.Cause(ctx); errors.Is(cause, ErrTimeout) {
			return fmt.Errorf("%w after %v", ErrTimeout, c.Timeout)
		}
		return ctx.Err()
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		return nil // it ended well; a process that it left behind holds its output
	}
	if line := said.line(); err != nil && line != "" {
		return fmt.Errorf("%w: %s", err, line)
	}
	return err
}

// environment is what a program finds: nothing of usher's own, which may hold
// secrets or the service manager's sockets.
func (id identity) environment() []string {
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + id.home, "USER=" + id.name, "LOGNAME=" + id.name}
	for _, name := range []string{"LANG", "LC_ALL", "TZ"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// tail keeps the end of what a program says.
type tail struct{ b []byte }

func (t *tail) Write(b []byte) (int, error) {
	const most = 512
	t.b = append(t.b, b...)
	if n := len(t.b) - most; n > 0 {
		t.b = t.b[n:]
	}
	return len(b), nil
}

// line is the last line that is not empty.
func (t *tail) line() string {
	lines := strings.Split(strings.TrimSpace(string(t.b)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
