package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/terminal"
)

func (a *app) statusCommand() *cobra.Command {
	var asJSON, watch bool
	var interval time.Duration
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Instances, virtual servers, real servers, checks, connections",
		Long: `How everything stands, as a table; with --json as the document that is also at
/api/v1/status, whose fields are stable.`,
		Example: `  usher status --watch
  usher status --json | jq -r '.instances[] | "\(.name) \(.state)"'`,
		Args: cobra.NoArgs,
		RunE: do(func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			show := func(ctx context.Context) (string, error) { return a.render(ctx, c, asJSON, watch) }
			if watch {
				return a.watch(cmd.Context(), interval, show)
			}
			text, err := show(cmd.Context())
			if err == nil {
				_, err = fmt.Fprint(a.Stdout, text)
			}
			return err
		}),
	}
	f := cmd.Flags()
	f.BoolVar(&asJSON, "json", false, "print the document instead of the table")
	f.BoolVarP(&watch, "watch", "w", false, "refresh in place until interrupted; with --json a line each time")
	f.DurationVar(&interval, "interval", time.Second, "time between refreshes of --watch")
	return a.steered(cmd)
}

// render gives one view: the table, the document, or the document on a line.
func (a *app) render(ctx context.Context, c *api.Client, asJSON, line bool) (string, error) {
	if !asJSON {
		var s api.Status
		err := c.Get(ctx, "/api/v1/status", &s)
		return statusTable(s, time.Now(), a.style), err
	}
	// The daemon's own document, not what this program understands of it: they may
	// be of different versions.
	var raw json.RawMessage
	if err := c.Get(ctx, "/api/v1/status", &raw); err != nil {
		return "", err
	}
	var b strings.Builder
	if line {
		err := printLine(&b, raw)
		return b.String(), err
	}
	err := printJSON(&b, raw)
	return b.String(), err
}

// watch shows a view again and again. On a terminal each takes the place of the
// one before, cut at the terminal's size; elsewhere they follow each other. A
// daemon that restarts is waited for.
func (a *app) watch(ctx context.Context, interval time.Duration, show func(context.Context) (string, error)) error {
	if interval < 100*time.Millisecond {
		return &usageError{fmt.Errorf("--interval %v is below 100ms", interval)}
	}
	screen := terminal.Is(a.Stdout)
	if screen {
		fmt.Fprint(a.Stdout, "\x1b[?25l\x1b[?7l\x1b[2J") // no cursor, no wrapping, empty screen
		defer fmt.Fprint(a.Stdout, "\x1b[?7h\x1b[?25h")
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		text, err := show(ctx)
		if ctx.Err() != nil {
			return nil
		}
		out := a.Stdout
		if err != nil {
			text = a.style.Bad(err.Error()) + "\n"
			if !screen {
				out = a.Stderr // a program that reads takes lines of the document alone
			}
		}
		if screen {
			text = frame(text, terminal.Height(a.Stdout))
		}
		if _, err := fmt.Fprint(out, text); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// frame puts text over what the screen shows: from the top, the rest of each line
// and of the screen wiped.
func frame(text string, height int) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if height > 1 && len(lines) > height-1 {
		hidden := len(lines) - (height - 2)
		lines = append(lines[:height-2:height-2], fmt.Sprintf("... %d more lines", hidden))
	}
	return "\x1b[H" + strings.Join(lines, "\x1b[K\n") + "\x1b[K\n\x1b[J"
}
