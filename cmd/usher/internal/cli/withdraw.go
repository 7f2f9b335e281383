package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/daemon"
	"usher/cmd/usher/internal/logging"
	"usher/cmd/usher/internal/vrrpproc"
	"usher/director/announce/filter"
	"usher/director/announce/host"
	"usher/vrrp"
	"usher/vrrp/vip"
	"usher/vrrp/vip/rtnl"
)

// defaultState is global.state where the configuration gives none.
const defaultState = "/var/lib/usher"

// given is the state folder of the service manager, "" where none started this
// process. A daemon whose configuration names another leaves word there.
func (a *app) given() string {
	first, _, _ := strings.Cut(a.Getenv("STATE_DIRECTORY"), ":") // systemd's list, of which usher has one
	return first
}

// withdrawn is the document of `usher withdraw --json`.
type withdrawn struct {
	Removed  []string `json:"removed"`  // addresses, routes and devices
	Restored []string `json:"restored"` // kernel settings
}

// withdraw is what the service manager runs after the daemon's end, however it
// ended: the peer may be active by now.
func (a *app) withdraw() *cobra.Command {
	var state string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "withdraw [ANNOUNCE]",
		Short: "Withdraw an announcement, or what a dead daemon left",
		Long: `With the name of an announce block: have routers send its traffic to other directors,
first by GRACEFUL_SHUTDOWN for drain_timeout, then by the withdrawal of its addresses,
whose traffic is forwarded for the linger time. It holds over reload and restart until
"usher announce ANNOUNCE".

Without a name: remove the addresses, routes and devices of the configuration that ran last, as far
as they are still there, and put back the kernel settings that it needed. It is for
ExecStopPost= of the systemd unit: a daemon that ends in good order leaves none, and
the addresses of one that was killed end with their lease. It is refused while a
daemon runs. The state folder is found by itself where the unit's StateDirectory=
is the default or holds the word that a daemon with another global.state left. Announced
addresses on lo go as well, unless routers are asked by graceful_restart to go on sending.`,
		Example: "  usher withdraw web\n  usher withdraw --state /var/lib/usher",
		Args:    cobra.MaximumNArgs(1),
		RunE: do(func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if cmd.Flags().Changed("state") {
					return &usageError{errors.New("--state is of a dead daemon's addresses; an announcement is withdrawn by the daemon that runs")}
				}
				return a.post(cmd, "/api/v1/withdraw", api.Announcing{Announce: args[0]})
			}
			w := withdrawn{Removed: []string{}, Restored: []string{}}
			log, _ := logging.New(a.Stderr)
			err := w.all(cmd.Context(), log, daemon.StateAt(state))
			if asJSON {
				return errors.Join(err, printJSON(a.Stdout, w))
			}
			for _, line := range w.lines() {
				if _, wrong := fmt.Fprintln(a.Stdout, line); wrong != nil {
					return errors.Join(err, wrong)
				}
			}
			return err
		}),
	}
	cmd.Flags().StringVar(&state, "state", cmp.Or(a.given(), defaultState), "state folder, as global.state")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what was removed and put back, or the answer, as JSON")
	cmd.ValidArgsFunction = a.completeAnnouncement
	return a.steered(cmd)
}

func (a *app) announce() *cobra.Command {
	return a.steering(&cobra.Command{
		Use:   "announce ANNOUNCE",
		Short: "Lift the withdrawal of an announcement",
		Long: `The addresses of the announce block are announced again, once everything has been well
for up_delay; at once where they were not withdrawn yet.`,
		Example: "  usher announce web",
		Args:    wants("ANNOUNCE"),
		RunE: do(func(cmd *cobra.Command, args []string) error {
			return a.post(cmd, "/api/v1/announce", api.Announcing{Announce: args[0]})
		}),
		ValidArgsFunction: a.completeAnnouncement,
	})
}

// all withdraws everything of the configuration that ran last with a state folder.
func (w *withdrawn) all(ctx context.Context, log *slog.Logger, state string) (err error) {
	release, err := daemon.LockState(state)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	c, err := daemon.LoadLastGood(state)
	if errors.Is(err, os.ErrNotExist) {
		return nil // nothing ever ran
	}
	if err != nil {
		return err
	}
	if err := absent(ctx, c.Global.Control); err != nil {
		return err
	}
	// A VRRP process whose daemon is dead may not put back what is removed here.
	waiting, cancel := context.WithTimeout(ctx, orphansLimit)
	defer cancel()
	orphans, err := vrrpproc.Acquire(waiting, state, log)
	if err != nil {
		log.Error("an earlier daemon's VRRP process may put back what is removed", "error", err)
	}
	defer func() { err = errors.Join(err, orphans.Close()) }()
	*w, err = withdrawHeld(ctx, c.Global.State, c.VRRP().Instances)
	if c.Announcing().Local.GracefulRestart == 0 {
		err = errors.Join(err, w.announced())
	}
	return err
}

// announced removes the announced addresses, and then what drops packets to them.
func (w *withdrawn) announced() error {
	removed, err := host.New().Clear()
	for _, p := range removed {
		w.Removed = append(w.Removed, p.String()+" on lo")
	}
	if err != nil {
		return err
	}
	return filter.New().Keep(nil)
}

// withdrawHeld removes what a daemon that is gone held of some instances, and puts back
// the kernel settings that its state folder tells of: last, since neighbours learn the
// addresses wrong without them.
func withdrawHeld(ctx context.Context, state string, instances []vrrp.Config) (withdrawn, error) {
	w := withdrawn{Removed: []string{}, Restored: []string{}}
	kernel, err := rtnl.Open()
	if err != nil {
		return w, err
	}
	recallErr := kernel.RecallAdded(rtnl.AddedFile(state))
	removed, err := vip.Withdraw(ctx, kernel, instances)
	for _, o := range removed {
		w.Removed = append(w.Removed, o.String())
	}
	restored, recoverErr := rtnl.Recover(rtnl.JournalFile(state))
	w.Restored = append(w.Restored, restored...)
	return w, errors.Join(recallErr, err, recoverErr, kernel.Close())
}

// orphansLimit is how long the processes of a daemon that is dead may take to end, which
// are killed by then.
const orphansLimit = 10 * time.Second

// answerLimit is how long a daemon may take to show that it runs.
const answerLimit = 5 * time.Second

// absent gives an error unless it is certain that nobody serves a control socket: a
// daemon that is not well may have active instances all the same.
func absent(ctx context.Context, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	var h api.Health
	switch err := api.Socket(socket).Get(ctx, "/api/v1/health", &h); {
	case err == nil:
		return fmt.Errorf("a daemon answers at %s: stop it first", socket)
	case !errors.Is(err, api.ErrAbsent):
		return fmt.Errorf("a daemon may run at %s: stop it first (%w)", socket, err)
	}
	return nil
}

// lines says the same for people.
func (w *withdrawn) lines() []string {
	var all []string
	for _, o := range w.Removed {
		all = append(all, "removed "+o)
	}
	for _, setting := range w.Restored {
		all = append(all, "put back "+setting)
	}
	return all
}
