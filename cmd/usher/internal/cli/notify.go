package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"usher/cmd/usher/internal/command"
	"usher/cmd/usher/internal/notify"
	"usher/cmd/usher/internal/terminal"
	"usher/healthcheck"
)

func (a *app) notify() *cobra.Command {
	var from sources
	var test, asJSON bool
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
			return a.try(cmd.Context(), asJSON, func(ctx context.Context, each func(notify.Trial)) error {
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
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what came of each way as JSON")
	return cmd
}

// trial is what came of one way, as JSON.
type trial struct {
	notify.Trial
	Delivered bool   `json:"delivered"`
	Error     string `json:"error,omitempty"`
}

// try shows what comes of tests.
func (a *app) try(ctx context.Context, asJSON bool, all func(context.Context, func(notify.Trial)) error) error {
	trials, failed := []trial{}, false
	err := all(ctx, func(t notify.Trial) {
		word, is := a.style.Good("delivered"), trial{Trial: t, Delivered: t.Err == nil}
		if t.Err != nil {
			failed, is.Error = true, healthcheck.Printable(t.Err.Error())
			word = a.style.Bad("failed: " + is.Error)
		}
		trials = append(trials, is)
		if !asJSON {
			fmt.Fprintf(a.Stdout, "%s: %s: %s\n", t.Of, t.Way, word)
		}
	})
	if err != nil {
		return &usageError{err}
	}
	if asJSON {
		if err := printJSON(a.Stdout, trials); err != nil {
			return err
		}
	}
	if failed {
		return status(exitFailed)
	}
	return nil
}
