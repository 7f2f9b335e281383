package daemon

import (
	"context"
	"time"

	"usher/cmd/usher/internal/events"
)

// How long what happened is let come to rest before the service manager is told how the
// daemon stands, and how often it is looked at though nothing happened: a warning can
// be over by the mere time.
const (
	standingRest  = time.Second
	standingEvery = time.Minute
)

// standing has the service manager's line on usher follow the verdict of the status.
func (d *Daemon) standing(ctx context.Context) error {
	tick := time.NewTicker(standingEvery)
	defer tick.Stop()
	var told string
	for {
		select { // at the start, too: until then the servers are not yet probed
		case <-ctx.Done():
			return nil
		case <-time.After(standingRest):
		}
		_, _, more := d.ring.List(events.Filter{Limit: 1})
		if now := d.secrets.Text(d.reporter.Status().Verdict.Text); now != told {
			told = now
			d.tell(d.opts.Notifier.Status(now))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-more:
		}
	}
}
