package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/daemon"
	"usher/cmd/usher/internal/terminal"
	"usher/director"
	ipvsengine "usher/director/engine"
	"usher/director/ipvs/genl"
	"usher/healthcheck/redact"
)

// System is what the program is given by its surroundings.
type System struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	IPVS           func() (director.Kernel, error) // nil for this machine's kernel
	Sysctl         ipvsengine.Sysctl               // likewise, its settings
}

// openIPVS opens the kernel's IPVS. Package moby/ipvs would write to standard error where it
// cannot load the module, as wherever there is no modprobe or it may not be used, also if
// the module is there: genl.Open knows.
func (s System) openIPVS() (director.Kernel, error) {
	if s.IPVS != nil {
		return s.IPVS()
	}
	logrus.SetOutput(io.Discard)
	return genl.Open()
}

// Run executes one command line, without the program's own name, and returns the
// exit status.
func Run(ctx context.Context, args []string, s System) int {
	a := &app{System: s, style: terminal.Style{On: terminal.Colours(s.Stdout, s.Getenv)}}
	root := a.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	return a.finish(cmd, err)
}

// app is one command line under way.
type app struct {
	System
	style   terminal.Style
	control string
	remote  remoteFlags
	secrets *redact.Set // of the configurations that were read
}

type remoteFlags struct{ url, cert, key, ca string }

// Exit statuses, documented in the help of the commands that have them.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2 // also: the command itself could not run
	exitChanges = 2 // of plan, whose usage errors are exitFailed
)

// status is an error that is nothing but an exit status: all has been said.
type status int

func (s status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// usageStatus marks commands whose exit status for a wrong command line is not
// exitUsage.
const usageStatus = "usage-status"

func (a *app) finish(cmd *cobra.Command, err error) int {
	var s status
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &s):
		return int(s)
	}
	fmt.Fprintf(a.Stderr, "usher: %v\n", a.secrets.Error(err))
	var detailed *api.DetailedError
	if errors.As(err, &detailed) {
		fmt.Fprint(a.Stderr, "\n"+detailed.Text)
	}
	var usage *usageError
	if errors.As(err, &usage) || !errors.As(err, new(*runError)) {
		if cmd != nil && cmd.Annotations[usageStatus] == "1" {
			return exitFailed
		}
		return exitUsage
	}
	return exitFailed
}

// usageError is a command line that makes no sense.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// runError is what went wrong in doing what was asked. Errors of cobra itself,
// about arguments, are not wrapped so.
type runError struct{ err error }

func (e *runError) Error() string { return e.err.Error() }
func (e *runError) Unwrap() error { return e.err }

// do makes a command's function from one whose errors are runErrors.
func do(f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := f(cmd, args)
		if err == nil || errors.As(err, new(status)) || errors.As(err, new(*usageError)) {
			return err
		}
		return &runError{err}
	}
}

const defaultControl = "/run/usher/usher.sock"

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "usher",
		Short: "High-availability director for Linux Virtual Server",
		Long: `usher floats virtual IP addresses between two or more directors (VRRP), checks
real servers, and keeps the kernel's IPVS table as their health wants it.

A first look on any machine:
  usher init > usher.hcl         a commented starter for this machine
  usher validate -c usher.hcl    every error at its place
  usher plan -c usher.hcl        what it would change
  usher run -c usher.hcl         the daemon

Exit status: 0 done, 1 failed, 2 the command line makes no sense; validate and
plan have their own, told by their help.`,
		Version:       Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          help,
	}
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())}
	})
	root.SetVersionTemplate("usher {{.Version}}\n")
	a.groups(root)
	return root
}

// groups adds every command, in the groups that help shows.
func (a *app) groups(root *cobra.Command) {
	for _, g := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"daemon", "The daemon:", []*cobra.Command{a.run(), a.reload(), a.withdraw()}},
		{"look", "See how it stands:", []*cobra.Command{a.statusCommand(), a.events()}},
		{"steer", "Steer it:", []*cobra.Command{a.drain(), a.disable(), a.enable(), a.weight(), a.failover(), a.announce(), a.maintenance()}},
		{"files", "Configurations, without a daemon:", []*cobra.Command{a.initial(), a.validate(), a.plan(), a.check(), a.notify(), a.format(), a.importCommand(), a.realServer()}},
	} {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.id
			root.AddCommand(c)
		}
	}
	root.AddCommand(a.version(), a.man(root))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Run, c.RunE = nil, helpAbout
		case "completion":
			c.RunE = help // its arguments are looked at only if it does something
		}
	}
}

// help shows a command's help.
func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// helpAbout shows the help of the command that the arguments name. The library's own
// takes a command that is not there for none at all.
func helpAbout(cmd *cobra.Command, args []string) error {
	c, rest, err := cmd.Root().Find(args)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("unknown command %q for %q", rest[0], c.CommandPath())
	}
	if err != nil {
		return err
	}
	c.InitDefaultHelpFlag() // else only a command that runs has it
	return c.Help()
}

// steered adds the flags by which a command finds its daemon.
func (a *app) steered(cmd *cobra.Command) *cobra.Command {
	f := cmd.Flags()
	path := a.Getenv("USHER_CONTROL")
	if path == "" {
		path = defaultControl
	}
	f.StringVar(&a.control, "control", path, "control socket of the daemon (environment: USHER_CONTROL)")
	f.StringVar(&a.remote.url, "remote", "", "https URL of a daemon's remote address, instead of the socket")
	f.StringVar(&a.remote.cert, "cert", "", "client certificate for --remote")
	f.StringVar(&a.remote.key, "key", "", "its key")
	f.StringVar(&a.remote.ca, "ca", "", "authorities that sign the daemon's certificate; the system's where not given")
	return cmd
}

func (a *app) client() (*api.Client, error) {
	if a.remote.url == "" {
		return api.Socket(a.socket()), nil
	}
	if !strings.HasPrefix(a.remote.url, "https://") || a.remote.cert == "" || a.remote.key == "" {
		return nil, &usageError{errors.New("--remote wants an https:// URL, --cert and --key")}
	}
	return api.Remote(a.remote.url, a.remote.cert, a.remote.key, a.remote.ca)
}

// socket is the control socket of the daemon. What the service manager runs beside it,
// the unit's ExecReload= say, finds one that is not at the default place by the state
// folder.
func (a *app) socket() string {
	if home := a.given(); a.control == defaultControl && home != "" {
		if c, err := daemon.LoadLastGood(daemon.StateAt(home)); err == nil {
			return c.Global.Control
		}
	}
	return a.control
}
