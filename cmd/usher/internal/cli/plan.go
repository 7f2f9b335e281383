package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/daemon"
	"usher/cmd/usher/internal/discovery"
	"usher/cmd/usher/internal/plan"
	"usher/conf"
	"usher/vrrp"
	"usher/vrrp/vip/rtnl"
)

func (a *app) plan() *cobra.Command {
	var from sources
	var asJSON bool
	var socket string
	cmd := &cobra.Command{
		Use:   "plan -c FILE|DIR",
		Short: "What run or reload would change; changes nothing",
		Long: `What a run, or a reload, with this configuration would change in IPVS, addresses
and VRRP, and which changes drop connections. IPVS is compared with what the kernel
holds now; instances, addresses and the health of servers with what the daemon at the
configuration's control socket runs, or at another one (--control), if one does. That
daemon's variables (its --var and USHER_VAR_name) are those of the plan as well; what
you give by hand wins. Sources of real servers (discover) are asked once; what one
listed before counts where it gives no answer. It needs no daemon, and root only where virtual servers are configured; one that runs
must be open to you, as for the other commands.

Exit status: 0 no change, 2 changes, 1 error.`,
		Example: `  usher plan -c /etc/usher
  usher plan -c new.hcl --control /run/usher/usher.sock
  usher plan -c new.hcl --json | jq '.ipvs.changes[] | select(.drops_connections)'`,
		Args:        cobra.NoArgs,
		Annotations: map[string]string{usageStatus: "1"},
		RunE: do(func(cmd *cobra.Command, _ []string) error {
			if err := a.asDaemon(cmd.Context(), &from, socket); err != nil {
				return err
			}
			c, err := a.load(&from)
			if err != nil {
				return err
			}
			p, err := a.planFor(cmd.Context(), c, cmp.Or(socket, c.Global.Control))
			if err != nil {
				return err
			}
			if asJSON {
				err = printSecret(a.Stdout, p, a.secrets)
			} else {
				_, err = fmt.Fprint(a.Stdout, a.secrets.Text(p.String()))
			}
			if err == nil && !p.Empty() {
				err = status(exitChanges)
			}
			return err
		}),
	}
	from.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the plan as JSON")
	cmd.Flags().StringVar(&socket, "control", a.Getenv("USHER_CONTROL"), "control socket of the daemon to compare with, where it is not the configuration's own (environment: USHER_CONTROL)")
	return cmd
}

// asDaemon gives from the variables of the daemon that the plan is for, but those that
// are given here. Where none answers there are none to be had; the control socket may be
// a file's to name that cannot be read without them: then it is the usual one.
func (a *app) asDaemon(ctx context.Context, from *sources, socket string) error {
	load, err := from.inspect()
	if err != nil {
		return err
	}
	if socket == "" {
		if c, _ := load(ctx); c != nil {
			socket = c.Global.Control
		} else {
			a.control = defaultControl
			socket = a.socket()
		}
	}
	var theirs api.Variables
	switch err := api.Socket(socket).Get(ctx, "/api/v1/variables", &theirs); {
	case errors.Is(err, api.ErrAbsent):
		return nil
	case err != nil:
		return fmt.Errorf("the daemon to compare with: %w", err)
	}
	return from.add(theirs)
}

// planFor compares c with this machine and the daemon at a control socket.
func (a *app) planFor(ctx context.Context, c *conf.Config, socket string) (plan.Plan, error) {
	client := api.Socket(socket)
	running, state, err := runningNow(ctx, client)
	if err != nil {
		return plan.Plan{}, err
	}
	a.hide(c, running)
	state = cmp.Or(state, c.Global.State)
	in := plan.Input{Want: c, From: running}
	if in.Here, err = thisMachine().Here(state); err != nil {
		return plan.Plan{}, err
	}
	if running != nil {
		in.Now, in.At = &api.Status{}, time.Now()
		if err := client.Get(ctx, "/api/v1/status", in.Now); err != nil {
			return plan.Plan{}, err
		}
	}
	if sources := c.Sources(); len(sources) > 0 {
		in.Found = discovery.Look(ctx, sources, state)
	}
	in.Planner = func(want *conf.Config) (plan.Planner, error) {
		if len(want.VirtualServers) == 0 && (running == nil || len(running.VirtualServers) == 0) {
			return nil, nil
		}
		d, err := a.openDirector(slog.New(slog.DiscardHandler), state, nil)
		if err != nil {
			return nil, err
		}
		if running != nil {
			d.SetOther(running.Pools())
			for _, u := range plan.Health(*in.Now, want.Pools()) {
				d.SetHealth(u)
			}
		}
		return d, nil
	}
	return plan.Make(ctx, in)
}

// runningNow is the configuration of a daemon, and its state folder; nil where none
// answers. It comes from the state folder, whose copy is exact; what the API gives has
// no secrets.
func runningNow(ctx context.Context, running *api.Client) (*conf.Config, string, error) {
	var shown struct {
		Global struct{ State string }
	}
	switch err := running.Get(ctx, "/api/v1/config", &shown); {
	case errors.Is(err, api.ErrAbsent):
		return nil, "", nil
	case err != nil:
		return nil, "", fmt.Errorf("the daemon to compare with: %w", err)
	}
	state := shown.Global.State
	c, err := daemon.LoadLastGood(state)
	if errors.Is(err, os.ErrNotExist) {
		return nil, state, nil
	}
	return c, state, err
}

// thisMachine is the machine that usher runs on.
func thisMachine() daemon.Machine { return daemon.ThisMachine(addressesHere) }

// addressesHere is daemon.Machine.Addresses.
func addressesHere(state string) (all []vrrp.LocalAddress, err error) {
	kernel, err := rtnl.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = kernel.Close() }()
	if err := kernel.RecallAdded(rtnl.AddedFile(state)); err != nil {
		return nil, err
	}
	found, err := kernel.Addresses()
	for _, f := range found {
		all = append(all, f.Local())
	}
	return all, err
}
