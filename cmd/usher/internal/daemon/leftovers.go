package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"

	"usher/cmd/usher/internal/events"
	"usher/conf"
	"usher/director"
)

// withdrawBefore removes what a daemon held that did not stop, where another
// configuration runs now than then: the VRRP process looks for leftovers of its own
// instances alone, and not every object ends with a lease.
func (d *Daemon) withdrawBefore(ctx context.Context, c *conf.Config) {
	last, err := LoadLastGood(c.Global.State)
	if errors.Is(err, os.ErrNotExist) {
		return // nothing ever ran
	}
	if err != nil {
		d.record(events.Event{Kind: string(director.EventDamaged), Severity: events.Warning, Reason: fmt.Sprintf(
			"what the usher before this one held is not known (%v): look for what it left with ip address, ip route, ip rule and nft list tables", err)})
		return
	}
	then := last.VRRP().Instances
	if len(then) == 0 || reflect.DeepEqual(then, c.VRRP().Instances) {
		return
	}
	done, err := d.opts.Components.Withdraw(ctx, c.Global.State, then)
	for _, what := range done {
		d.log.Warn("withdrew what a daemon that is gone had left of the configuration before", "object", what)
	}
	if err != nil {
		d.log.Error("withdraw what a daemon that is gone had left", "error", err)
	}
}
