package daemon

import (
	"context"
	"fmt"
	"strings"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/plan"
	"usher/conf"
	"usher/director/discover/engine"
)

// Plan says what a reload would change.
func (d *Daemon) Plan(ctx context.Context) (any, error) {
	c, diags := d.load(ctx)
	if diags.HasErrors() {
		return nil, &api.DetailedError{Err: &refusedError{(&InvalidError{diags}).Error()}, Text: diags.Text(false)}
	}
	var found *engine.Once
	if sources := c.Sources(); len(sources) > 0 {
		found = d.opts.Components.Look(ctx, sources, c.Global.State)
	}
	if !d.changing.take(ctx) { // what runs stays the same while it is compared with
		return nil, ctx.Err()
	}
	defer d.changing.give()
	running, status := d.running(), d.Status()
	here, err := d.machine.Here(running.Global.State)
	if err != nil {
		return nil, err
	}
	return plan.Make(ctx, plan.Input{
		Want: c, From: running, Now: &status, At: time.Now(), Here: here, Found: found,
		Planner: func(want *conf.Config) (plan.Planner, error) {
			dir := d.now().director
			switch {
			case dir != nil:
				return dir, nil
			case len(want.VirtualServers) == 0:
				return nil, nil
			}
			return d.idleDirector(want)
		},
	})
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
