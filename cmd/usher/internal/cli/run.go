package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"usher/cmd/usher/internal/command"
	"usher/cmd/usher/internal/daemon"
	"usher/cmd/usher/internal/logging"
	"usher/cmd/usher/internal/page"
	"usher/cmd/usher/internal/sdnotify"
	"usher/cmd/usher/internal/terminal"
)

func (a *app) run() *cobra.Command {
	var from sources
	var watch, lastGood, strict bool
	var state string
	cmd := &cobra.Command{
		Use:   "run -c FILE|DIR",
		Short: "The daemon, in the foreground",
		Long: `Run the configuration until SIGTERM or an interrupt, with the log on stderr. SIGHUP
reloads it. Under systemd (Type=notify) it tells when it is ready, reloading and
stopping, and feeds the watchdog.

Nothing is changed where it cannot start: an invalid configuration, no IPVS in the
kernel, a capability that is missing, a control socket that is served by another
usher, a state folder that cannot be written. An instance whose interface is not there
is in fault until it comes, and all else runs; with --strict that is no start either.

With --watch a change of the files is a reload as well. With --last-good invalid
files do not keep the daemon from starting: the configuration that ran last is
used, from the state folder, until the files are mended and reloaded.

On stop the instances resign and their addresses are gone first; then IPVS is
cleaned, or kept with on_stop = "keep". SIGUSR1 stops and keeps it, whatever
on_stop says: so that another version can be started and adopt it.

Exit status: 0 stopped as asked, 1 it could not start or failed, 2 the command
line makes no sense.`,
		Example: `  usher run -c /etc/usher
  usher run -c lb.hcl --var priority=150`,
		Args: cobra.NoArgs,
		RunE: do(func(cmd *cobra.Command, _ []string) error {
			read := from.read
			if lastGood {
				read = from.loader
			}
			load, err := read()
			if err != nil {
				return err
			}
			vars, err := from.variables()
			if err != nil {
				return err
			}
			hangup := make(chan os.Signal, 1)
			signal.Notify(hangup, syscall.SIGHUP)
			defer signal.Stop(hangup)
			keep := make(chan os.Signal, 1)
			signal.Notify(keep, syscall.SIGUSR1)
			defer signal.Stop(keep)
			a.hasty()
			log, control := logging.New(a.Stderr)
			if lastGood {
				state = daemon.StateAt(state)
			} else {
				state = ""
			}
			var watched []string
			if watch {
				watched = from.list()
			}
			commands := command.New()
			defer commands.Close()
			return a.serve(cmd.Context(), daemon.Options{
				Version: Version(), Load: load, Variables: vars, Machine: thisMachine(), Components: a.parts(log, commands),
				Log: log, LogControl: control, Notifier: sdnotify.New(), Hangup: hangup, Keep: keep,
				Home: a.given(), Watch: watched, LastGood: state, Strict: strict, Started: a.thrifty,
				Pages: map[string]http.Handler{"GET /{$}": page.Handler()},
			})
		}),
	}
	from.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&watch, "watch", false, "reload when the files change")
	f.BoolVar(&lastGood, "last-good", false, "start with the configuration that ran last where the files are invalid")
	f.BoolVar(&strict, "strict", false, "do not start where an interface is not there")
	f.StringVar(&state, "state", cmp.Or(a.given(), defaultState), "state folder in which --last-good looks; as global.state")
	return cmd
}

// serve runs a daemon and prints what is wrong with its configuration as validate
// does.
func (a *app) serve(ctx context.Context, o daemon.Options) error {
	err := daemon.New(o).Run(ctx)
	var invalid *daemon.InvalidError
	if errors.As(err, &invalid) {
		fmt.Fprint(a.Stderr, invalid.Diagnostics.Text(terminal.Colours(a.Stderr, a.Getenv)))
	}
	return err
}
