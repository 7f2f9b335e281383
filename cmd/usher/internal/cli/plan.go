package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/daemon"
	"usher/cmd/usher/internal/plan"
	"usher/conf"
	"usher/director"
)

func (a *app) plan() *cobra.Command {
	var from sources
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "plan -c FILE|DIR",
		Short: "What run or reload would change; changes nothing",
		Long: `What a run, or a reload, with this configuration would change in IPVS, addresses
and VRRP, and which changes drop connections. IPVS is compared with what the kernel
holds now; instances and addresses with what the daemon at the configuration's
control socket runs, if one does. It needs no daemon, and root only where virtual
servers are configured.

Exit status: 0 no change, 2 changes, 1 error.`,
		Example: `  usher plan -c /etc/usher
  usher plan -c new.hcl --json | jq '.ipvs.changes[] | select(.drops_connections)'`,
		Args:        cobra.NoArgs,
		Annotations: map[string]string{usageStatus: "1"},
		RunE: do(func(cmd *cobra.Command, _ []string) error {
			c, err := a.load(&from)
			if err != nil {
				return err
			}
			p, err := planFor(cmd.Context(), c)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(a.Stdout, p)
			} else {
				_, err = fmt.Fprint(a.Stdout, p)
			}
			if err == nil && !p.Empty() {
				err = status(exitChanges)
			}
			return err
		}),
	}
	from.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the plan as JSON")
	return cmd
}

// planFor compares c with this machine.
func planFor(ctx context.Context, c *conf.Config) (plan.Plan, error) {
	running, err := runningNow(ctx, c.Global)
	if err != nil {
		return plan.Plan{}, err
	}
	p := plan.Compare(c, running)
	p.IPVS.Changes = []director.Change{}
	if len(c.VirtualServers) == 0 && (running == nil || len(running.VirtualServers) == 0) {
		return p, nil
	}
	d, err := openDirector(slog.New(slog.DiscardHandler), c.Global.State, nil)
	if err != nil {
		return p, err
	}
	err = p.AddIPVS(ctx, d, c)
	return p, err
}

// runningNow is the configuration of the daemon that serves the same control
// socket, nil where none does. It comes from the state folder, whose copy is exact;
// what the API gives has no secrets.
func runningNow(ctx context.Context, g conf.Global) (*conf.Config, error) {
	var h api.Health
	if err := api.Socket(g.Control).Get(ctx, "/api/v1/health", &h); err != nil {
		return nil, nil
	}
	c, err := daemon.LoadLastGood(g.State)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return c, err
}
