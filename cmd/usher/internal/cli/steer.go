package cli

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"usher/cmd/usher/internal/api"
)

// post steers and prints what the daemon says.
func (a *app) post(cmd *cobra.Command, path string, in any) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	var done api.Done
	if err := c.Post(cmd.Context(), path, in, &done); err != nil {
		return err
	}
	if asJSON, err := cmd.Flags().GetBool("json"); err == nil && asJSON {
		return printJSON(a.Stdout, done)
	}
	_, err = fmt.Fprintln(a.Stdout, done.Message)
	return err
}

// steering finishes a command that posts.
func (a *app) steering(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().Bool("json", false, "print the answer as JSON")
	return a.steered(cmd)
}

func (a *app) reload() *cobra.Command {
	return a.steering(&cobra.Command{
		Use:   "reload",
		Short: "Validate the configuration and apply the difference",
		Long: `The same as SIGHUP to the daemon: it reads its files again, validates them, and
applies what differs. Invalid files change nothing; their errors are printed here
as validate prints them, and stay in status until a reload succeeds.`,
		Args: cobra.NoArgs,
		RunE: do(func(cmd *cobra.Command, _ []string) error { return a.post(cmd, "/api/v1/reload", nil) }),
	})
}

func (a *app) drain() *cobra.Command {
	return limited(a.server("drain", "Give a real server no new connections; out when its own are gone",
		`Weight 0: established connections go on, new ones go elsewhere. The server is taken
out when its connections are gone or drain_timeout is over. It survives reload and
restart until "usher enable", or for as long as --for says; then it is lifted by itself.
It holds on all directors that are peers of this one, which the answer names.
The last server that takes new connections is drained only with --force.`))
}

func (a *app) disable() *cobra.Command {
	return limited(a.server("disable", "Take a real server out at once",
		`Out of the pool at once, its connections with it. It survives reload and restart
until "usher enable", or for as long as --for says. To spare connections use "usher drain". The last server that takes
new connections is disabled only with --force.`))
}

func (a *app) enable() *cobra.Command {
	return a.server("enable", "Lift drain, disable or weight from a real server",
		`The real server is again as the configuration and its checks want it.`)
}

// limited gives a command the flags of an order that may end by itself, and by which it
// also takes the last server.
func limited(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().Duration("for", 0, "lift it after this time (30m, 2h), also if usher is not running then; without, it holds until usher enable")
	cmd.Flags().String("reason", "", "why, for whoever looks at the status")
	cmd.Flags().Bool("force", false, "also where it leaves the virtual server without a real server that takes new connections, or where no source (discover) has listed the server lately")
	return cmd
}

// order completes one by the flags that limited gave its command, if it did.
func order(cmd *cobra.Command, s api.Steer) (api.Steer, error) {
	var errs [4]error
	s.Local, errs[3] = cmd.Flags().GetBool("local")
	if cmd.Flags().Lookup("force") == nil {
		return s, errs[3]
	}
	var lasts time.Duration
	s.Force, errs[0] = cmd.Flags().GetBool("force")
	s.Reason, errs[1] = cmd.Flags().GetString("reason")
	lasts, errs[2] = cmd.Flags().GetDuration("for")
	if cmd.Flags().Changed("for") && lasts < time.Second {
		return s, &usageError{fmt.Errorf("--for %v is below 1s", lasts)}
	}
	s.ForSeconds = int64((lasts + time.Second - 1) / time.Second)
	return s, errors.Join(errs[:]...)
}

func (a *app) server(verb, short, long string) *cobra.Command {
	example := "  usher " + verb + " web 10.1.2.3:80"
	if verb != "enable" {
		example += "\n" + example + ` --for 2h --reason "kernel upgrade"`
	}
	return local(a.steering(&cobra.Command{
		Use:     verb + " VIRTUAL_SERVER REAL_SERVER",
		Short:   short,
		Long:    long,
		Example: example,
		Args:    wants("VIRTUAL_SERVER", "REAL_SERVER"),
		RunE: do(func(cmd *cobra.Command, args []string) error {
			s, err := order(cmd, api.Steer{VirtualServer: args[0], RealServer: args[1]})
			if err != nil {
				return err
			}
			return a.post(cmd, "/api/v1/"+verb, s)
		}),
		ValidArgsFunction: a.completeServer,
	}))
}

// local gives a command the flag of an order that peers are not told of.
func local(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().Bool("local", false, "on this director alone; without, all directors that are its peers do the same")
	return cmd
}

func (a *app) weight() *cobra.Command {
	return limited(local(a.steering(&cobra.Command{
		Use:   "weight VIRTUAL_SERVER REAL_SERVER N",
		Short: "Give a real server another weight",
		Long: `Another weight (0..65535) than the configured one, until "usher enable", or for as
long as --for says. It survives reload and restart. Weight 0 of the last server that takes new connections
needs --force.`,
		Example: "  usher weight web 10.1.2.3:80 5",
		Args:    wants("VIRTUAL_SERVER", "REAL_SERVER", "N"),
		RunE: do(func(cmd *cobra.Command, args []string) error {
			n, err := strconv.Atoi(args[2])
			if err != nil || n < 0 || n > 65535 {
				return &usageError{fmt.Errorf("weight %q is not a number in 0..65535", args[2])}
			}
			s, err := order(cmd, api.Steer{VirtualServer: args[0], RealServer: args[1], Weight: &n})
			if err != nil {
				return err
			}
			return a.post(cmd, "/api/v1/weight", s)
		}),
		ValidArgsFunction: a.completeServer,
	})))
}

func (a *app) failover() *cobra.Command {
	var noWait bool
	cmd := a.steering(&cobra.Command{
		Use:   "failover INSTANCE",
		Short: "Hand an instance's addresses to the peer",
		Long: `The active director resigns (priority 0) and stays back until the peer has taken
over, which is within its skew time. Addresses are kept until the peer is heard, so
no connection attempt is lost. The other instances of its sync group go with it. Where
nobody takes over, the addresses are taken back, and that is an error: a peer is given
two advertisement intervals more than its down timer. It is refused where this director
is not active.

A director that has handed over stays backup, even with the higher priority, until the
other one fails or hands over in turn ("usher failover" there).

Exit status: 0 the peer has it, 1 it has not.`,
		Example: "  usher failover web",
		Args:    wants("INSTANCE"),
		RunE: do(func(cmd *cobra.Command, args []string) error {
			return a.post(cmd, "/api/v1/failover", api.Name{Instance: args[0], NoWait: noWait})
		}),
		ValidArgsFunction: a.completeInstance,
	})
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "do not wait for what comes of it; usher events tells")
	return cmd
}

func (a *app) maintenance() *cobra.Command {
	var noWait, force bool
	cmd := a.steering(&cobra.Command{
		Use:   "maintenance on|off",
		Short: "Hold every instance back, or let it run again",
		Long: `With "on", every instance that is active is handed over and none becomes active
until "off", not even after a restart. Health checks and IPVS go on. Addresses are kept
until the peer is heard. Where nobody takes over, they stay here and maintenance is
refused, unless it is forced. "off" before that is decided takes it back without effect.

Exit status: 0 done, 1 refused.`,
		Example:   "  usher maintenance on",
		Args:      anyOf("on", "off"),
		ValidArgs: []string{"on", "off"},
		RunE: do(func(cmd *cobra.Command, args []string) error {
			return a.post(cmd, "/api/v1/maintenance", api.Switch{On: args[0] == "on", Force: force, NoWait: noWait})
		}),
	})
	cmd.Flags().BoolVar(&force, "force", false, "also where no peer takes over: then nobody has the addresses")
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "do not wait for what comes of it; usher events tells")
	return cmd
}
