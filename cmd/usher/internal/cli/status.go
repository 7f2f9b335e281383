package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/terminal"
)

// Exit statuses of status --check, those of the monitoring plugins that Nagios,
// Icinga and their like run.
const (
	checkOK = iota
	checkWarning
	checkCritical
	checkUnknown
)

// look is what `usher status` is asked to show.
type look struct {
	names    []string // of instances and virtual servers; all where empty
	problems bool     // only what is not as it should be
	servers  bool     // every server of every pool, however many there are
	all      bool     // every director of the group
	settings bool
	json     bool
	watch    bool
	check    bool
	interval time.Duration
}

func (a *app) statusCommand() *cobra.Command {
	var l look
	cmd := &cobra.Command{
		Use:   "status [NAME...]",
		Short: "Whether a person is needed; instances, services, servers, connections",
		Long: `How everything stands. The first line says whether a person is needed, and the most
important reason; what is not as it should be comes next, then the rest. NAMEs are
instances and virtual servers. With many virtual servers those that are well take a
line each; --servers shows their servers, too. --json is the document that is also at
/api/v1/status, whose fields are stable.

--all shows every director of the group, where a block peers says who they are: who is
active for what, what differs between them, which servers are down for one and not for
another. Any director can be asked; what it shows of one that it does not hear is as
old as it says. With --json it is the field "directors" of the document.

With --watch on a terminal: arrows, space and b scroll, q ends.

Exit status: 0 shown and nobody is needed at once, 1 a person is needed or the daemon
does not answer; with --json 0 where the document could be had. With --check, for
monitoring: one line, and 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.`,
		Example: `  usher status --watch
  usher status web --problems
  usher status --all
  usher status --check
  usher status --json | jq -r '.instances[] | "\(.name) \(.state)"'`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeNames,
		RunE: do(func(cmd *cobra.Command, args []string) error {
			l.names = args
			if l.all && len(args) > 0 {
				return &usageError{errors.New("--all shows every director whole: leave the names out")}
			}
			if l.check {
				return a.monitor(cmd.Context())
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			if l.watch {
				return a.watch(cmd.Context(), l, func(ctx context.Context) (string, error) {
					text, _, err := a.render(ctx, c, l)
					return text, err
				})
			}
			text, level, err := a.render(cmd.Context(), c, l)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprint(a.Stdout, text); err != nil {
				return err
			}
			if level == api.LevelError {
				return status(exitFailed)
			}
			return nil
		}),
	}
	f := cmd.Flags()
	f.BoolVar(&l.json, "json", false, "print the document instead of the table")
	f.BoolVarP(&l.watch, "watch", "w", false, "refresh in place until interrupted; with --json a line each time")
	f.DurationVar(&l.interval, "interval", time.Second, "time between refreshes of --watch")
	f.BoolVarP(&l.problems, "problems", "p", false, "only what is not as it should be")
	f.BoolVarP(&l.all, "all", "a", false, "every director of the group (block peers), and where they differ")
	f.BoolVar(&l.servers, "servers", false, "the servers of every virtual server, however many there are")
	f.BoolVar(&l.settings, "settings", false, "the kernel settings that usher holds, too")
	f.BoolVar(&l.check, "check", false, "one line and the exit status of a monitoring plugin (Nagios, Icinga)")
	cmd.MarkFlagsMutuallyExclusive("check", "json")
	cmd.MarkFlagsMutuallyExclusive("check", "watch")
	for _, other := range []string{"check", "problems", "servers", "settings"} {
		cmd.MarkFlagsMutuallyExclusive("all", other)
	}
	return a.steered(cmd)
}

// monitor is `usher status --check`.
func (a *app) monitor(ctx context.Context) error {
	c, err := a.client()
	if err == nil {
		var s api.Status
		if err = c.Get(ctx, "/api/v1/status", &s); err == nil {
			word, code := "UNKNOWN", checkUnknown
			switch s.Verdict.Level {
			case api.LevelOK:
				word, code = "OK", checkOK
			case api.LevelWarning:
				word, code = "WARNING", checkWarning
			case api.LevelError:
				word, code = "CRITICAL", checkCritical
			}
			fmt.Fprintf(a.Stdout, "USHER %s - %s: %s\n", word, s.RouterID, s.Verdict.Text)
			return exitWith(code)
		}
	}
	fmt.Fprintf(a.Stdout, "USHER UNKNOWN - %v\n", err)
	return exitWith(checkUnknown)
}

func exitWith(code int) error {
	if code == exitOK {
		return nil
	}
	return status(code)
}

// render gives one view, the table, the document, or the document on a line, and how
// much it asks for a person; the document asks nobody.
func (a *app) render(ctx context.Context, c *api.Client, l look) (string, api.Level, error) {
	if !l.json {
		var s api.Status
		if err := c.Get(ctx, "/api/v1/status", &s); err != nil {
			return "", "", err
		}
		if l.all {
			if s.Directors == nil {
				return "", "", errAlone
			}
			return directorsTable(s, time.Now(), a.style, terminal.Width(a.Stdout)), s.Verdict.Level, nil
		}
		shown, err := l.choose(s)
		if err != nil {
			return "", "", err
		}
		return statusTable(shown, l, time.Now(), a.style, terminal.Width(a.Stdout)), s.Verdict.Level, nil
	}
	// The daemon's own document, not what this program understands of it: they may
	// be of different versions.
	var raw json.RawMessage
	if err := c.Get(ctx, "/api/v1/status", &raw); err != nil {
		return "", "", err
	}
	if l.all {
		var err error
		if raw, err = allJSON(raw); err != nil {
			return "", "", err
		}
	}
	var b strings.Builder
	if l.watch {
		err := printLine(&b, raw)
		return b.String(), "", err
	}
	err := printJSON(&b, raw)
	return b.String(), "", err
}

// choose leaves what is asked for, what is not well first. The verdict is of the whole.
func (l look) choose(s api.Status) (api.Status, error) {
	known := map[string]bool{}
	for _, i := range s.Instances {
		known[i.Name] = true
	}
	for _, v := range s.VirtualServers {
		known[v.Name] = true
	}
	for _, a := range s.Announcements {
		known[a.Name] = true
	}
	for _, n := range l.names {
		if !known[n] {
			return s, fmt.Errorf("no instance, virtual server or announcement is called %q; usher status shows all", n)
		}
	}
	wanted := func(name string, well bool) bool {
		return (len(l.names) == 0 || slices.Contains(l.names, name)) && (!l.problems || !well)
	}
	instances := slices.DeleteFunc(slices.Clone(s.Instances), func(i api.Instance) bool { return !wanted(i.Name, instanceWell(i)) })
	pools := slices.DeleteFunc(slices.Clone(s.VirtualServers), func(v api.VirtualServer) bool { return !wanted(v.Name, poolWell(v)) })
	slices.SortStableFunc(instances, func(a, b api.Instance) int { return cmp.Compare(rank(instanceWell(a)), rank(instanceWell(b))) })
	slices.SortStableFunc(pools, func(a, b api.VirtualServer) int {
		return cmp.Or(cmp.Compare(rank(a.Up), rank(b.Up)), cmp.Compare(rank(poolWell(a)), rank(poolWell(b))))
	})
	if len(l.names) > 0 {
		s.Warnings = slices.DeleteFunc(slices.Clone(s.Warnings), func(w api.Warning) bool {
			subject, _, _ := strings.Cut(w.Subject, " ")
			return !slices.Contains(l.names, subject)
		})
	}
	s.Announcements = slices.DeleteFunc(slices.Clone(s.Announcements), func(a api.Announcement) bool {
		return !wanted(a.Name, !slices.ContainsFunc(a.Addresses, func(p api.AnnouncementPrefix) bool { return p.State != "announced" }))
	})
	s.Sessions = slices.DeleteFunc(slices.Clone(s.Sessions), func(p api.Session) bool {
		return len(l.names) > 0 || l.problems && p.State == "established"
	})
	s.Instances, s.VirtualServers = instances, pools
	return s, nil
}

func rank(well bool) int {
	if well {
		return 1
	}
	return 0
}

func instanceWell(i api.Instance) bool {
	return (i.State == "active" && i.Held || i.State == "backup") && i.SplitBrain == nil
}

func poolWell(v api.VirtualServer) bool {
	return v.Up && !v.Sorry && !slices.ContainsFunc(v.RealServers, func(r api.RealServer) bool { return !r.Sorry && r.State != "up" })
}

// watch shows a view again and again. On a terminal each takes the place of the
// one before, and keys scroll through what is longer than the screen; elsewhere they
// follow each other. A daemon that restarts is waited for.
func (a *app) watch(ctx context.Context, l look, show func(context.Context) (string, error)) error {
	if l.interval < 100*time.Millisecond {
		return &usageError{fmt.Errorf("--interval %v is below 100ms", l.interval)}
	}
	screen := terminal.Is(a.Stdout)
	var keys <-chan terminal.Key
	if screen {
		fmt.Fprint(a.Stdout, "\x1b[?25l\x1b[?7l\x1b[2J") // no cursor, no wrapping, empty screen
		defer fmt.Fprint(a.Stdout, "\x1b[?7h\x1b[?25h")
		pressed, restore, err := terminal.Keys(a.Stdin)
		if err == nil { // without them it only shows
			defer restore()
			keys = pressed
		}
	}
	tick := time.NewTicker(l.interval)
	defer tick.Stop()
	view := pager{}
	for {
		text, err := show(ctx)
		if ctx.Err() != nil {
			return nil
		}
		out := a.Stdout
		if err != nil {
			if errors.As(err, new(*usageError)) {
				return err
			}
			text = a.style.Bad(err.Error()) + "\n"
			if !screen {
				out = a.Stderr // a program that reads takes lines of the document alone
			}
		}
		for again := true; again; {
			shown := text
			if screen {
				shown = view.frame(text, terminal.Height(a.Stdout))
			}
			if _, err := fmt.Fprint(out, shown); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				again = false
			case k, ok := <-keys:
				if !ok {
					keys = nil
				}
				if k == terminal.KeyQuit {
					return nil
				}
				view.press(k, terminal.Height(a.Stdout))
			}
		}
	}
}

// pager shows a part of a text that is longer than the screen.
type pager struct {
	top int // first line shown
}

func (p *pager) press(k terminal.Key, height int) {
	page := max(height-2, 1)
	switch k {
	case terminal.KeyDown:
		p.top++
	case terminal.KeyUp:
		p.top--
	case terminal.KeyPageDown:
		p.top += page
	case terminal.KeyPageUp:
		p.top -= page
	case terminal.KeyHome:
		p.top = 0
	}
}

// frame puts a part of text over what the screen shows: from the top, the rest of each
// line and of the screen wiped.
func (p *pager) frame(text string, height int) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if room := height - 2; height > 2 && len(lines) > height-1 {
		p.top = min(max(p.top, 0), len(lines)-room)
		below := len(lines) - room - p.top
		lines = slices.Clone(lines[p.top : p.top+room])
		lines = append(lines, fmt.Sprintf("... %d more lines below, %d above: arrows, space and b scroll", below, p.top))
	} else {
		p.top = 0
	}
	return "\x1b[H" + strings.Join(lines, "\x1b[K\n") + "\x1b[K\n\x1b[J"
}
