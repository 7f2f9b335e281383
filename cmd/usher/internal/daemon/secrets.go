package daemon

import (
	"context"
	"slices"
	"time"

	"usher/conf"
)

// hide keeps secrets out of events and the log by their values. What the API answers with,
// alerts and the service manager are told without them where they are told.
func (d *Daemon) hide() {
	d.ring.Conceal(d.secrets.Text)
	d.opts.LogControl.Conceal(d.secrets.Text)
}

// credentialsWithin is how long the files may take that checks read their secrets from. A
// probe that reads one later hides it in its own words.
const credentialsWithin = time.Second

// know hides the secrets of a configuration from now on, before anything is said of it,
// whether it is going to run or not.
func (d *Daemon) know(ctx context.Context, c *conf.Config) {
	if c == nil {
		return // what is wrong with it is told without its secrets
	}
	ctx, cancel := context.WithTimeout(ctx, credentialsWithin)
	defer cancel()
	all := slices.Concat(c.Secrets(), c.Credentials(ctx))
	if running := d.running(); running != nil {
		all = append(all, running.Secrets()...)
	}
	d.secrets.Know(all)
}

// told is a configuration for alerts, which tell the router's name to others.
func (d *Daemon) told(c *conf.Config) *conf.Config {
	shown := *c
	shown.Global.RouterID = d.secrets.Text(c.Global.RouterID)
	return &shown
}
