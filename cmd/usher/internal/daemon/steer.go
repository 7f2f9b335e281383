package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
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

// Steer does what an operator says of a real server.
func (d *Daemon) Steer(_ context.Context, s api.Steer) error {
	address, err := netip.ParseAddrPort(s.RealServer)
	if err != nil {
		return &refusedError{fmt.Sprintf("real server %q is no address:port", s.RealServer)}
	}
	o := director.Override{Since: time.Now(), By: s.By}
	switch s.Mode {
	case "drain":
		o.Mode = director.OverrideDrain
	case "disable":
		o.Mode = director.OverrideDisable
	case "weight":
		if *s.Weight < 0 || *s.Weight > 65535 {
			return &refusedError{fmt.Sprintf("weight %d is not in 0..65535", *s.Weight)}
		}
		o.Mode, o.Weight = director.OverrideWeight, *s.Weight
	case "enable":
		o.Mode = director.OverrideNone
	}
	c := d.running()
	i := slices.IndexFunc(c.VirtualServers, func(v conf.VirtualServer) bool { return v.Name == s.VirtualServer })
	if i < 0 {
		return unknown("virtual server", s.VirtualServer, names(c.VirtualServers, func(v conf.VirtualServer) string { return v.Name }))
	}
	servers := slices.Concat(c.VirtualServers[i].Real, c.VirtualServers[i].Sorry)
	if !slices.ContainsFunc(servers, func(r director.RealServer) bool { return r.Address == address }) {
		return unknown("real server of "+s.VirtualServer, s.RealServer, names(servers, func(r director.RealServer) string { return r.Address.String() }))
	}
	d.mu.Lock()
	dir := d.director
	d.mu.Unlock()
	if effect := dir.Empties(s.VirtualServer, address, o); effect != "" && !s.Force {
		return &refusedError{fmt.Sprintf("%s would be left without a real server that takes new connections, %s is the last: %s; nothing was changed (usher %s --force does it all the same, \"force\": true in the API)",
			s.VirtualServer, address, effect, s.Mode)}
	}
	return dir.Override(s.VirtualServer, address, o)
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
