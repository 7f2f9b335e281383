package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"usher/conf/keepalived"
)

// imported is the document of `usher import --json`.
type imported struct {
	HCL      string               `json:"hcl"`
	Warnings []keepalived.Warning `json:"warnings"`
}

func (a *app) importCommand() *cobra.Command {
	var strict, asJSON bool
	var o keepalived.Options
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Turn a keepalived.conf into HCL",
		Long: `Read a keepalived.conf with everything that it includes and print HCL of the same
meaning, comments kept. A directive that cannot be carried over is a warning on
stderr with its file, line and the reason, never silence. What is printed always
passes usher validate.

Exit status: 0 done, 1 failed, or an instance or virtual server is left out, or
warnings with --strict, 2 the command line makes
no sense.`,
		Example: "  usher import /etc/keepalived/keepalived.conf > /etc/usher/usher.hcl",
		Args:    wants("FILE"),
		RunE: do(func(_ *cobra.Command, args []string) error {
			o.Exists = func(path string) bool { _, err := os.Stat(path); return err == nil }
			text, warnings, err := keepalived.Import(args[0], o)
			if err != nil {
				return err
			}
			if asJSON {
				if warnings == nil {
					warnings = []keepalived.Warning{}
				}
				err = printJSON(a.Stdout, imported{string(text), warnings})
			} else {
				for _, w := range warnings {
					fmt.Fprintf(a.Stderr, "warning: %s\n", w)
				}
				_, err = a.Stdout.Write(text)
			}
			missing := 0
			for _, w := range warnings {
				if w.LeftOut {
					missing++
				}
			}
			if missing > 0 {
				fmt.Fprintf(a.Stderr, "incomplete: %d instances or virtual servers are left out; see the warnings above\n", missing)
			}
			if err == nil && (missing > 0 || strict && len(warnings) > 0) {
				return status(exitFailed)
			}
			return err
		}),
	}
	f := cmd.Flags()
	f.BoolVar(&strict, "strict", false, "exit with 1 if anything was not carried over")
	f.BoolVar(&asJSON, "json", false, "print HCL and warnings as one JSON document")
	f.StringVar(&o.ID, "id", "", "config-id that @id conditions are compared with, as keepalived -i; the first part of the host name where not given")
	f.StringVar(&o.Instance, "instance", "", "what ${_INSTANCE} stands for")
	return cmd
}
