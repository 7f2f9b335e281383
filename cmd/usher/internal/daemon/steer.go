package daemon

import (
	"context"
	"fmt"
	"strings"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/events"
	"usher/cmd/usher/internal/plan"
	"usher/conf"
	"usher/director"
	"usher/healthcheck"
)

// The daemon is the API's backend and the metrics' source.

// Events is the ring of what happened.
func (d *Daemon) Events() *events.Ring { return d.ring }

// Config is the running configuration without secrets.
func (d *Daemon) Config() any {
	if c := d.running(); c != nil {
		return c.Redacted()
	}
	return map[string]any{}
}

// Variables are the values with which the configuration is loaded.
func (d *Daemon) Variables() api.Variables {
	v := api.Variables{Given: d.opts.Variables, Environment: conf.Environment()}
	if v.Given == nil {
		v.Given = map[string]string{}
	}
	return v
}

func (d *Daemon) running() *conf.Config {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.config
}

// Health says whether the daemon does its work: it has started, does not stop, and
// the kernel takes what the director wants.
func (d *Daemon) Health() api.Health {
	h := api.Health{Problems: []string{}}
	if !d.ready.Load() {
		h.Problems = append(h.Problems, "usher is starting or stopping")
	}
	if since := d.hangs(); !since.IsZero() {
		h.Problems = append(h.Problems, fmt.Sprintf("a reload reads its files since %s: one of them, or an expression, does not come to an end", since.Format(time.RFC3339)))
	}
	if s := d.DirectorStats(); s.LastError != "" {
		h.Problems = append(h.Problems, "IPVS: "+s.LastError)
	}
	h.OK = len(h.Problems) == 0
	return h
}

// DirectorStats are the director's own figures, zero without virtual servers.
func (d *Daemon) DirectorStats() director.Stats {
	d.mu.Lock()
	dir := d.director
	d.mu.Unlock()
	if dir == nil {
		return director.Stats{}
	}
	return dir.Stats()
}

// CheckStats are the health check engine's own figures.
func (d *Daemon) CheckStats() healthcheck.Stats {
	d.mu.Lock()
	checks := d.checks
	d.mu.Unlock()
	if checks == nil {
		return healthcheck.Stats{}
	}
	return checks.Stats()
}

// Plan says what a reload would change.
func (d *Daemon) Plan(ctx context.Context) (any, error) {
	c, diags := d.load(ctx)
	if diags.HasErrors() {
		return nil, &api.DetailedError{Err: &refusedError{(&InvalidError{diags}).Error()}, Text: diags.Text(false)}
	}
	if !d.changing.take(ctx) { // what runs stays the same while it is compared with
		return nil, ctx.Err()
	}
	defer d.changing.give()
	p := plan.Compare(c, d.running())
	d.mu.Lock()
	dir := d.director
	d.mu.Unlock()
	if dir == nil {
		if len(c.VirtualServers) == 0 {
			return p, nil
		}
		var err error
		if dir, err = d.idleDirector(c); err != nil {
			return nil, err
		}
	}
	err := p.AddIPVS(ctx, dir, c)
	return p, err
}

func somebody(by string) string {
	if by == "" {
		return "somebody over the network"
	}
	return by
}

type unknownError struct{ text string }

func (e *unknownError) Error() string        { return e.text }
func (e *unknownError) Is(target error) bool { return target == api.ErrUnknown }

// unknown names what there is where that helps.
func unknown(what, name string, there []string) error {
	text := fmt.Sprintf("there is no %s %q", what, name)
	switch {
	case len(there) == 0:
		text += "; none is configured"
	case len(there) <= 20:
		text += fmt.Sprintf("; there is %s", strings.Join(there, ", "))
	}
	return &unknownError{text}
}

func names[T any](list []T, name func(T) string) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = name(list[i])
	}
	return out
}
