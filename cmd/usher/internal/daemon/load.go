package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"usher/conf"
	"usher/vrrp/timespan"
)

// hangsAfter is how long a reload may read before that is told of, and how long another
// waits for it.
const hangsAfter = 5 * time.Second

// turn is a lock that is waited for no longer than a context lasts.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) take(ctx context.Context) bool {
	select {
	case t <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (t turn) give() { <-t }

// load reads the configuration, in a goroutine of its own that is left behind where it
// does not end: with ctx, or when the time is over that a configuration may take.
func (d *Daemon) load(ctx context.Context) (*conf.Config, conf.Diagnostics) {
	type loaded struct {
		config *conf.Config
		diags  conf.Diagnostics
	}
	ctx, untie := d.untilEnding(ctx)
	defer untie()
	ctx, cancel := context.WithTimeout(ctx, conf.Limit+hangsAfter)
	defer cancel()
	result := make(chan loaded, 1)
	go func() {
		c, diags := d.opts.Load(ctx)
		result <- loaded{c, diags}
	}()
	select {
	case r := <-result:
		d.know(ctx, r.config)
		return r.config, r.diags
	case <-ctx.Done():
	}
	detail := fmt.Sprintf("It does not end within %s.", timespan.Text(conf.Limit+hangsAfter))
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		detail = "usher stops."
	}
	return nil, conf.Diagnostics{{Severity: conf.SeverityError, Summary: "Reading the configuration was given up", Detail: detail}}
}

// read is load for a reload, which others can see hanging.
func (d *Daemon) read(ctx context.Context) (*conf.Config, conf.Diagnostics) {
	set := func(t time.Time) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.begun = t
	}
	set(time.Now())
	defer set(time.Time{})
	return d.load(ctx)
}

// untilEnding is ctx, which ends when the stop begins, too.
func (d *Daemon) untilEnding(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-d.ending:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// change takes the turn to change what runs, unless the stop comes first.
func (d *Daemon) change(ctx context.Context) bool {
	ctx, cancel := d.untilEnding(ctx)
	defer cancel()
	if !d.changing.take(ctx) {
		return false
	}
	select {
	case <-d.ending: // and the turn was free: a change would find parts that have resigned
		d.changing.give()
		return false
	default:
		return true
	}
}

func (d *Daemon) warn(diags conf.Diagnostics) {
	for _, w := range diags.Merged() {
		d.log.Warn("configuration", "place", w.Error(), "detail", w.Detail)
	}
}

func summary(c *conf.Config) string {
	return fmt.Sprintf("%s, %s", count(len(c.Instances), "instance"), count(len(c.VirtualServers), "virtual server"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
