package daemon

import (
	"context"
	"time"

	"usher/cmd/usher/internal/control"
	"usher/cmd/usher/internal/events"
)

// socketInterval is how often the control socket's file is looked at.
const socketInterval = time.Second

// keepSocket puts the control socket back where somebody removed its file, and says
// so, until ctx ends. Why it cannot it says once.
func (d *Daemon) keepSocket(ctx context.Context, l *control.Listener) error {
	tick := time.NewTicker(socketInterval)
	defer tick.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		restored, err := l.Restore()
		why := ""
		if err != nil {
			why = "the control socket is not this daemon's any more: " + err.Error()
		}
		switch {
		case restored:
			d.record(events.Event{Kind: "control_socket", Severity: events.Warning, Reason: "the control socket was removed and is put back: " + l.Addr().String()})
		case why != "" && why != last:
			d.record(events.Event{Kind: "control_socket", Severity: events.Error, Reason: why})
		}
		last = why
	}
}
