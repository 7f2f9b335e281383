package cli

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"usher/cmd/usher/internal/command"
	"usher/cmd/usher/internal/logging"
	"usher/cmd/usher/internal/terminal"
	"usher/conf"
	"usher/healthcheck"
	checkengine "usher/healthcheck/engine"
	"usher/healthcheck/files"
	"usher/healthcheck/probe"
	"usher/healthcheck/redact"
)

// verdict is one line of `usher check --json`.
type verdict struct {
	Time          time.Time `json:"time"`
	VirtualServer string    `json:"virtual_server"`
	RealServer    string    `json:"real_server"`
	State         string    `json:"state"`   // up, down or degraded
	Percent       int       `json:"percent"` // of the configured weight
	Reason        string    `json:"reason"`
}

func (a *app) check() *cobra.Command {
	var from sources
	var asJSON, figures bool
	var length time.Duration
	cmd := &cobra.Command{
		Use:   "check -c FILE|DIR",
		Short: "Run the health checks alone and print changes of state",
		Long: `Run the health checks of a configuration, without VRRP and IPVS, and print each
change of a real server's state: for trying a configuration out. It needs no daemon
and changes nothing. Lines are text on a terminal and JSON elsewhere or with --json.

Exit status: 0 interrupted or --for is over, 1 the configuration is invalid, 2 the
command line makes no sense.`,
		Example: `  usher check -c lb.hcl
  usher check -c lb.hcl --json --for 10s | jq -r 'select(.state == "down") | .real_server'`,
		Args: cobra.NoArgs,
		RunE: do(func(cmd *cobra.Command, _ []string) error {
			c, err := a.load(&from)
			if err != nil {
				return err
			}
			if length > 0 {
				ctx, cancel := context.WithTimeout(cmd.Context(), length)
				defer cancel()
				cmd.SetContext(ctx)
			}
			return a.probe(cmd, c, asJSON || !terminal.Is(a.Stdout), figures)
		}),
	}
	from.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON lines on a terminal, too")
	cmd.Flags().BoolVar(&figures, "stats", false, "print the engine's own figures each minute and at the end, as JSON lines")
	cmd.Flags().DurationVar(&length, "for", 0, "stop after so long; 0 runs until interrupted")
	return cmd
}

// load reads a configuration for a command that needs a valid one.
func (a *app) load(from *sources) (*conf.Config, error) {
	load, err := from.inspect()
	if err != nil {
		return nil, err
	}
	c, diags := load(context.Background())
	fmt.Fprint(a.Stderr, diags.Text(terminal.Colours(a.Stderr, a.Getenv)))
	if diags.HasErrors() {
		return nil, status(exitFailed)
	}
	a.hide(c)
	return c, nil
}

// hide keeps the secrets of configurations out of what is printed from now on; one may
// be nil.
func (a *app) hide(configs ...*conf.Config) {
	ctx, cancel := context.WithTimeout(context.Background(), files.Patience)
	defer cancel()
	var all []string
	for _, c := range configs {
		if c != nil {
			all = slices.Concat(all, c.Secrets(), c.Credentials(ctx))
		}
	}
	a.secrets = redact.Everywhere(all)
}

// probe runs the engine until the command's context ends.
func (a *app) probe(cmd *cobra.Command, c *conf.Config, asJSON, figures bool) error {
	a.thrifty()
	log, control := logging.New(a.Stderr)
	control.Conceal(a.secrets.Text)
	if err := control.Set("warn", c.Global.Log.Format); err != nil {
		return err
	}
	commands := command.New()
	defer commands.Close()
	g, ctx := errgroup.WithContext(cmd.Context())
	verdicts := make(chan healthcheck.Update)
	told := make(chan healthcheck.Event)
	tell := func(e healthcheck.Event) {
		select {
		case told <- e:
		case <-ctx.Done():
		}
	}
	engine := checkengine.New(checkengine.Options{
		Log: log, Prober: probe.New(probe.Options{Log: log, Commands: commands.Check}),
		Results: func(u healthcheck.Update) {
			select {
			case verdicts <- u:
			case <-ctx.Done():
			}
		},
		Events: tell,
	})
	if err := engine.Apply(c.Targets()); err != nil {
		return err
	}
	g.Go(func() error { return engine.Run(ctx) })
	if len(c.Sources()) > 0 {
		checkDiscovered(ctx, g, c, engine, log, tell)
	}
	g.Go(func() error {
		minute := time.NewTicker(time.Minute)
		defer minute.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-minute.C:
				if !figures {
					continue
				}
				if err := printLine(a.Stdout, statsLine{statsOf(engine.Stats())}); err != nil {
					return err
				}
			case e := <-told:
				if err := a.showCheckEvent(e, asJSON); err != nil {
					return err
				}
			case u := <-verdicts:
				if err := a.showVerdict(u, asJSON); err != nil {
					return err
				}
			}
		}
	})
	err := g.Wait()
	if err == nil && figures {
		err = printLine(a.Stdout, statsLine{statsOf(engine.Stats())})
	}
	return err
}

// statsLine is a line of `usher check --stats`.
type statsLine struct {
	Stats checkStats `json:"stats"`
}

type checkStats struct {
	Time         string  `json:"time"`
	Goroutines   int     `json:"goroutines"`
	Checks       int     `json:"checks"` // different probes
	Started      uint64  `json:"started"`
	Late         uint64  `json:"late"` // by more than half their interval
	Skipped      uint64  `json:"skipped"`
	Inconclusive uint64  `json:"inconclusive"`
	LatenessP50  float64 `json:"lateness_p50_ms"`
	LatenessP99  float64 `json:"lateness_p99_ms"`
	LatenessMax  float64 `json:"lateness_max_ms"`
}

func statsOf(s healthcheck.Stats) checkStats {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return checkStats{
		Time: time.Now().Format(time.RFC3339Nano), Goroutines: runtime.NumGoroutine(),
		Checks: s.Checks, Started: s.Started, Late: s.Late, Skipped: s.Skipped, Inconclusive: s.Inconclusive,
		LatenessP50: ms(s.Lateness.P50), LatenessP99: ms(s.Lateness.P99), LatenessMax: ms(s.Lateness.Max),
	}
}

// checkEvent is a line of `usher check --json` about a check itself: that it cannot run on
// this machine, say.
type checkEvent struct {
	Time          time.Time `json:"time"`
	Event         string    `json:"event"` // healthcheck.EventKind
	VirtualServer string    `json:"virtual_server"`
	Check         string    `json:"check"`
	Reason        string    `json:"reason"`
}

func (a *app) showCheckEvent(e healthcheck.Event, asJSON bool) error {
	e.Message = a.secrets.Text(e.Message)
	if asJSON {
		return printLine(a.Stdout, checkEvent{Time: e.At, Event: string(e.Kind), VirtualServer: e.ID.VirtualServer, Check: e.Check, Reason: e.Message})
	}
	_, err := fmt.Fprintf(a.Stdout, "%s  %s\n", a.style.Dim(e.At.Local().Format("15:04:05.000")), e.Message)
	return err
}

func (a *app) showVerdict(u healthcheck.Update, asJSON bool) error {
	v := verdict{
		Time: u.At, VirtualServer: u.ID.VirtualServer, RealServer: u.ID.RealServer.String(),
		State: u.Verdict.State.String(), Percent: u.Verdict.Percent, Reason: a.secrets.Text(u.Verdict.Reason),
	}
	if asJSON {
		return printLine(a.Stdout, v)
	}
	text := fmt.Sprintf("%s  %s %s %s", a.style.Dim(v.Time.Local().Format("15:04:05.000")), v.VirtualServer, v.RealServer, a.style.State(v.State))
	if v.State == "degraded" {
		text += fmt.Sprintf(" (%d%% of its weight)", v.Percent)
	}
	if v.Reason != "" {
		text += ": " + v.Reason
	}
	_, err := fmt.Fprintln(a.Stdout, text)
	return err
}
