package notify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/conf"
	"usher/vrrp/timespan"
)

// commandTimeout is the limit of a command that has none.
const commandTimeout = 10 * time.Second

// command is a program that is run at changes.
type command struct {
	conf.Notify
	run Run
}

// Run runs the program of a notification, as a user (USER or USER:GROUP, "" for usher's
// own), with env and nothing of usher's environment. When the context ends, so does the
// program.
type Run func(ctx context.Context, args []string, user string, env []string) error

// deliver runs the program, once: having run is having been told, whatever its
// exit status says.
func (c command) deliver(ctx context.Context, ch Change) error {
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = commandTimeout
	}
	args := c.Command
	if !c.NoArguments {
		args = slices.Concat(args, ch.arguments())
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := c.run(limited, args, c.User, ch.environment())
	if limited.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("timed out after %s", timespan.Text(timeout))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errPermanent, err)
	}
	return nil
}

func (c command) retries() int   { return 0 }
func (c command) String() string { return "command " + strings.Join(c.Command, " ") }
