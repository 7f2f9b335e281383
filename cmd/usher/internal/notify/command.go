package notify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/conf"
	"usher/vrrp/track/script"
)

// commandTimeout is the limit of a command that has none.
const commandTimeout = 10 * time.Second

// command is a program that is run at changes.
type command struct{ conf.Notify }

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
	err := script.Run(ctx, script.Command{
		Args: args, User: c.User, Timeout: timeout, Env: ch.environment(),
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errPermanent, err)
	}
	return nil
}

func (c command) retries() int   { return 0 }
func (c command) String() string { return "command " + strings.Join(c.Command, " ") }
