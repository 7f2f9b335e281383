package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/events"
	"usher/cmd/usher/internal/vrrpproc"
	"usher/conf"
	"usher/vrrp/timespan"
)

// InvalidError is a configuration that cannot be run.
type InvalidError struct{ Diagnostics conf.Diagnostics }

// Error gives the first diagnostic that is an error, and how many more there are.
func (e *InvalidError) Error() string {
	return fmt.Sprintf("the configuration is invalid: %v", e.Diagnostics.Err())
}

// refusedError keeps the whole text for people and is api.ErrRefused to programs.
type refusedError struct{ text string }

func (e *refusedError) Error() string        { return e.text }
func (e *refusedError) Is(target error) bool { return target == api.ErrRefused }

// Reload reads the configuration again and applies the difference. Invalid, or
// impossible on this machine, it is an error that wraps api.ErrRefused, and nothing
// was changed. Only one runs at a time; others wait.
func (d *Daemon) Reload(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, hangsAfter)
	defer cancel()
	if !d.reading.take(wait) {
		if since := d.hangs(); !since.IsZero() {
			return &refusedError{fmt.Sprintf("another reload still reads its files, since %s; nothing was changed", timespan.At(since))}
		}
		return &refusedError{"another reload is under way; nothing was changed"}
	}
	defer d.reading.give()
	if !d.ready.Load() {
		return &refusedError{"usher is starting or stopping"}
	}
	d.tell(d.opts.Notifier.Reloading())
	// A reload that has begun is finished, though the one who asked goes away.
	_, err := d.reloadNow(context.WithoutCancel(ctx))
	d.outcome(err)
	d.tell(d.opts.Notifier.Ready(d.secrets.Text(d.Status().Verdict.Text)))
	return err
}

// outcome remembers and tells how a reload, or the reading of the files at the
// start, ended.
func (d *Daemon) outcome(err error) {
	d.mu.Lock()
	d.reload = reloadOutcome{at: time.Now(), err: err}
	d.mu.Unlock()
	if err != nil {
		d.record(events.Event{Kind: "reload", Severity: events.Error, To: "failed", Reason: err.Error()})
		return
	}
	d.record(events.Event{Kind: "reload", To: "done", Reason: summary(d.running())})
}

func (d *Daemon) reloadNow(ctx context.Context) (*conf.Config, error) {
	c, diags := d.read(ctx)
	if diags.HasErrors() {
		invalid := &InvalidError{Diagnostics: diags}
		return nil, &api.DetailedError{
			Err:  &refusedError{invalid.Error() + "; nothing was changed"},
			Text: diags.Text(false),
		}
	}
	// Only now: what hangs while it is read keeps nobody from changing something else.
	if !d.change(ctx) {
		return nil, &refusedError{"usher is stopping; nothing was changed"}
	}
	defer d.changing.give()
	if !d.ready.Load() {
		return nil, &refusedError{"usher is stopping; nothing was changed"}
	}
	d.warn(diags)
	if c.Blank { // nobody wants that, and so is a file that somebody is writing anew
		return nil, &refusedError{"there is nothing in the configuration; nothing was changed: stop usher to take everything out"}
	}
	running := d.running()
	if err := errors.Join(fixed(c.Global, running.Global), preflight(d.opts.Machine, c, running, d.opts.Strict)); err != nil {
		return nil, &refusedError{strings.ReplaceAll(err.Error(), "\n", "; ") + "; nothing was changed"}
	}
	fresh := d.parts.director == nil && len(c.VirtualServers) > 0
	if fresh {
		director, err := d.idleDirector(c)
		if err != nil {
			return nil, err
		}
		d.direct(ctx, director)
	}
	if err := d.servers.rebind(running.Global, c.Global); err != nil {
		return nil, &refusedError{err.Error() + "; nothing was changed"}
	}
	if err := d.apply(ctx, c, fresh); err != nil {
		back := errors.Join(d.apply(ctx, running, false), d.servers.rebind(c.Global, running.Global))
		d.relay.remind()
		if back != nil {
			return nil, fmt.Errorf("%w; and the configuration before it could not be put back: %w", err, back)
		}
		return nil, fmt.Errorf("%w; the configuration before it is back", err)
	}
	return c, nil
}

// idleDirector is a director for the first virtual servers of a daemon that had none:
// to plan them, and then to run. The daemon is locked by changing.
func (d *Daemon) idleDirector(c *conf.Config) (Director, error) {
	if d.idle != nil {
		return d.idle, nil
	}
	var err error
	if d.idle, err = d.opts.Components.Director(c.Global.State, d.directorEvent); err != nil {
		return nil, &refusedError{fmt.Sprintf("virtual servers are configured: %v; nothing was changed", err)}
	}
	return d.idle, nil
}

// fixed names what cannot change while the daemon runs.
func fixed(c, running conf.Global) error {
	var all []error
	for _, f := range []struct{ key, now, was string }{
		{"state", c.State, running.State},
		{"control", c.Control, running.Control},
	} {
		if f.now != f.was {
			all = append(all, fmt.Errorf("global.%s cannot change from %q to %q while usher runs: restart it", f.key, f.was, f.now))
		}
	}
	return errors.Join(all...)
}

// apply makes the parts follow c: room for the traffic is made before VRRP may
// bring it. Where services are the first ones of this process, it waits for what other
// directors know of their servers.
func (d *Daemon) apply(ctx context.Context, c *conf.Config, first bool) error {
	now := d.now()
	dir, process := now.director, now.vrrp
	if err := d.opts.LogControl.Set(c.Global.Log.Level, c.Global.Log.Format); err != nil {
		return err
	}
	if err := d.alerts.Apply(d.told(c)); err != nil {
		return err
	}
	d.group(ctx, c, first)
	if err := d.retreat(ctx, c); err != nil {
		return err
	}
	complete := d.discover(ctx, c)
	if dir != nil {
		if err := dir.Configure(ctx, c.DirectorSettings()); err != nil {
			return err
		}
		if err := dir.Apply(ctx, complete.Pools()); err != nil {
			return err
		}
	}
	if err := now.checks.Apply(complete.Targets()); err != nil {
		return err
	}
	d.mu.Lock()
	d.config, d.serving, d.passive, d.onStop = c, complete, passive(c), c.Global.OnStop
	d.mu.Unlock()
	if process == nil && len(c.Instances) > 0 {
		process = d.route(ctx, c)
		if now.maintenance {
			if err := process.Maintenance(true); err != nil && !errors.Is(err, vrrpproc.ErrNoChild) {
				return err
			}
		}
	}
	if process != nil {
		if err := process.Apply(c.VRRP()); err != nil {
			return err
		}
	}
	if err := d.announce(ctx, c); err != nil {
		return err
	}
	d.relay.sessions.apply(d.bfd, c, d.relay.kick)
	d.forget(complete)
	d.countNeighbours(complete)
	d.relay.kick()
	if d.ready.Load() {
		d.state.saveSoon(c)
	} else if err := d.state.saveLastGood(c); err != nil {
		d.notKept(err)
	}
	return nil
}
