package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"usher/cmd/usher/internal/terminal"
	"usher/conf"
)

// validation is the document of `usher validate --json`.
type validation struct {
	Valid       bool             `json:"valid"`
	Diagnostics conf.Diagnostics `json:"diagnostics"`
}

func (a *app) validate() *cobra.Command {
	var from sources
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "validate -c FILE|DIR",
		Short: "Check a configuration; needs no root, no kernel, no interface",
		Long: `Check a configuration on any machine. Every error comes with its file, line and
column and the source line, all at once. A program or a user that this machine lacks is
a warning.

Exit status: 0 valid (warnings apart), 1 invalid, 2 the command could not run.`,
		Example: `  usher validate -c /etc/usher
  usher validate -c lb.hcl --var priority=150
  usher validate -c lb.hcl --json | jq -r '.diagnostics[] | "\(.range.filename):\(.range.start.line): \(.summary)"'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			load, err := from.inspect()
			if err != nil {
				return &usageError{err}
			}
			c, diags := load(cmd.Context())
			valid := !diags.HasErrors()
			if asJSON {
				if diags == nil {
					diags = conf.Diagnostics{}
				}
				err = printJSON(a.Stdout, validation{valid, diags})
			} else {
				fmt.Fprint(a.Stderr, diags.Text(terminal.Colours(a.Stderr, a.Getenv)))
				if valid {
					_, err = fmt.Fprintf(a.Stdout, "%s %s, %s, %s%s\n", a.style.Good("valid:"),
						count(len(c.Instances), "instance"), count(len(c.VirtualServers), "virtual server"), count(realServers(c), "real server"), andSources(c))
				}
			}
			if err != nil {
				return &usageError{err}
			}
			if !valid {
				return status(exitFailed)
			}
			return nil
		},
	}
	from.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON on stdout")
	return cmd
}

func realServers(c *conf.Config) int {
	n := 0
	for _, v := range c.VirtualServers {
		n += len(v.Real)
	}
	return n
}

// andSources tells of sources of more real servers, where there are any.
func andSources(c *conf.Config) string {
	n := 0
	for _, v := range c.VirtualServers {
		n += len(v.Discover)
	}
	if n == 0 {
		return ""
	}
	return ", " + count(n, "source") + " of more"
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprint(n, " ", what)
}
