package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"usher/cmd/usher/internal/command"
	"usher/cmd/usher/internal/notify"
	"usher/cmd/usher/internal/terminal"
)

func (a *app) notify() *cobra.Command {
	var from sources
	var test bool
	cmd := &cobra.Command{
		Use:   "notify --test [-c FILE|DIR] [NAME]",
		Short: "Send a test by every notify, webhook and email of a configuration",
		Long: `A test (state "test") by every notify command, webhook and email, one attempt each,
whatever their "on" says, and what came of it. NAME is an instance, sync group or virtual
server, or "global", whose own alone are tried. No daemon is needed or told.

Exit status: 0 all were delivered, 1 one was not, 2 the command could not run.`,
		Example: `  usher notify --test
  usher notify --test -c /etc/usher web`,
		Args: cobra.MaximumNArgs(1),
		RunE: do(func(cmd *cobra.Command, args []string) error {
			if !test {
				return &usageError{fmt.Errorf("give --test: it is all that usher notify does")}
			}
			load, err := from.read()
			if err != nil {
				return &usageError{err}
			}
			c, diags := load(cmd.Context())
			fmt.Fprint(a.Stderr, diags.Text(terminal.Colours(a.Stderr, a.Getenv)))
			if diags.HasErrors() {
				return &usageError{fmt.Errorf("the configuration is invalid")}
			}
			commands := command.New()
			defer commands.Close()
			return a.try(cmd.Context(), func(ctx context.Context, each func(notify.Trial)) error {
				name := ""
				if len(args) > 0 {
					name = args[0]
				}
				return notify.Try(ctx, c, commands.Notify, name, each)
			})
		}),
	}
	from.flags(cmd)
	cmd.Flags().BoolVar(&test, "test", false, "send a test")
	return cmd
}

// try shows what comes of tests.
func (a *app) try(ctx context.Context, all func(context.Context, func(notify.Trial)) error) error {
	failed := false
	err := all(ctx, func(t notify.Trial) {
		word := a.style.Good("delivered")
		if t.Err != nil {
			failed = true
			word = a.style.Bad("failed: " + t.Err.Error())
		}
		fmt.Fprintf(a.Stdout, "%s: %s: %s\n", t.Of, t.Way, word)
	})
	if err != nil {
		return &usageError{err}
	}
	if failed {
		return status(exitFailed)
	}
	return nil
}
