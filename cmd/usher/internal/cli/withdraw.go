package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/daemon"
	"usher/vrrp/hold"
	"usher/vrrp/hold/rtnl"
)

// withdraw is what the service manager runs after the daemon's end, however it
// ended: the peer may be active by now.
func (a *app) withdraw() *cobra.Command {
	var state string
	cmd := &cobra.Command{
		Use:   "withdraw",
		Short: "Remove the virtual addresses that a dead daemon left",
		Long: `Remove the addresses, routes and devices of the configuration that ran last, as far
as they are still there, and put back the kernel settings that it needed. It is for
ExecStopPost= of the systemd unit: a daemon that ends in good order leaves none, and
the addresses of one that was killed end with their lease. It is refused while a
daemon answers.`,
		Args: cobra.NoArgs,
		RunE: do(func(cmd *cobra.Command, _ []string) error {
			c, err := daemon.LoadLastGood(state)
			if errors.Is(err, os.ErrNotExist) {
				return nil // nothing ever ran
			}
			if err != nil {
				return err
			}
			var h api.Health
			if err := api.Socket(c.Global.Control).Get(cmd.Context(), "/api/v1/health", &h); err == nil {
				return fmt.Errorf("a daemon answers at %s: stop it first", c.Global.Control)
			}
			kernel, err := rtnl.Open()
			if err != nil {
				return err
			}
			removed, err := hold.Withdraw(cmd.Context(), kernel, c.VRRP().Instances)
			for _, o := range removed {
				if _, err := fmt.Fprintln(a.Stdout, "removed", o); err != nil {
					return err
				}
			}
			restored, recoverErr := rtnl.Recover(rtnl.JournalFile(c.Global.State))
			for _, setting := range restored {
				if _, err := fmt.Fprintln(a.Stdout, "put back", setting); err != nil {
					return err
				}
			}
			return errors.Join(err, recoverErr, kernel.Close())
		}),
	}
	cmd.Flags().StringVar(&state, "state", "/var/lib/usher", "state folder, as global.state")
	return cmd
}
