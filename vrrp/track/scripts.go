package track

import (
	"context"
	"errors"
	"fmt"
	"time"

	"usher/vrrp"
	"usher/vrrp/timespan"
)

// counter turns single results into a state: so many good ones in a row raise it,
// so many bad ones make it fall.
type counter struct {
	rise, fall int
	up, known  bool
	told       bool // the state that it begins with
	row        int  // results in a row that speak against the state
}

func newCounter(t vrrp.Track) counter {
	return counter{rise: max(1, t.Rise), fall: max(1, t.Fall), up: t.Initial == "up", known: t.Initial != ""}
}

// from is the counter where a state is known already, which has been told.
func (c counter) from(before *result) counter {
	if before != nil {
		c.up, c.known, c.told = before.up, true, true
	}
	return c
}

// take counts a result and says whether the state is new. The first result of all
// decides alone, unless an initial state is configured.
func (c *counter) take(ok bool) (changed bool) {
	if !c.known {
		c.up, c.known = ok, true
		return true
	}
	if ok == c.up {
		c.row = 0
		return false
	}
	c.row++
	if (ok && c.row < c.rise) || (!ok && c.row < c.fall) {
		return false
	}
	c.up, c.row = ok, 0
	return true
}

// script watches a program's exit status. Runs never overlap: one that takes
// longer than the interval delays the next.
func (t *Tracker) script(tr vrrp.Track) watch {
	interval := tr.Interval
	if interval <= 0 {
		interval = time.Second
	}
	timeout := tr.Timeout
	if timeout <= 0 {
		timeout = interval
	}
	run := func(ctx context.Context) error {
		limited, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		err := t.o.Run(limited, tr.Command, tr.User)
		if limited.Err() != nil && ctx.Err() == nil {
			return fmt.Errorf("timed out after %s", timespan.Text(timeout))
		}
		return err
	}
	return func(ctx context.Context, before *result, publish func(result)) {
		every(ctx, interval, newCounter(tr).from(before), run, func(up bool, err error) {
			reason := fmt.Sprintf("script %s: succeeds", tr.Name)
			if !up {
				reason = failed(tr.Name, err)
			}
			publish(result{up: up, reason: reason})
		})
	}
}

// failed says why a script is taken for down: one that this machine cannot run says nothing
// of what it is to look at. Whoever runs programs tells those by an error with the method
// CannotRun.
func failed(name string, err error) string {
	var e interface {
		error
		CannotRun() bool
	}
	if errors.As(err, &e) && e.CannotRun() {
		return fmt.Sprintf("script %s cannot be run: %v", name, err)
	}
	return fmt.Sprintf("script %s: %v", name, err)
}

// every runs a probe at once and then at every interval, and publishes each change
// of state. Runs that come due while one is under way are left out.
func every(ctx context.Context, interval time.Duration, c counter, probe func(context.Context) error, publish func(up bool, err error)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	if c.known && !c.told {
		publish(c.up, fmt.Errorf("taken for down until the first result"))
	}
	for {
		err := probe(ctx)
		if ctx.Err() != nil {
			return
		}
		if c.take(err == nil) {
			publish(c.up, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
