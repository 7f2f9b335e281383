package cli

import (
	"context"
	"log/slog"
	"sync"

	"golang.org/x/sync/errgroup"

	"usher/cmd/usher/internal/discovery"
	"usher/conf"
	"usher/director/discover"
	"usher/healthcheck"
	checkengine "usher/healthcheck/engine"
)

// checkDiscovered has an engine check discovered servers, too, and tells what happens to
// their sources. Nothing is kept in the state folder.
func checkDiscovered(ctx context.Context, g *errgroup.Group, c *conf.Config, engine *checkengine.Engine, log *slog.Logger, tell func(healthcheck.Event)) {
	var mu sync.Mutex
	pending := map[string]bool{}
	kick := make(chan struct{}, 1)
	d := discovery.New(discovery.Options{
		Log: log,
		Changed: func(name string) {
			mu.Lock()
			pending[name] = true
			mu.Unlock()
			select {
			case kick <- struct{}{}:
			default:
			}
		},
		Events: func(e discover.Event) {
			text := e.VirtualServer + ": "
			if e.Source != "" {
				text += e.Source + ": "
			}
			tell(healthcheck.Event{At: e.Time, Kind: healthcheck.EventKind(e.Kind), ID: healthcheck.ID{VirtualServer: e.VirtualServer}, Message: text + e.Reason})
		},
	})
	d.Apply(c.Sources())
	g.Go(func() error { return d.Run(ctx) })
	g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-kick:
			}
			mu.Lock()
			names := pending
			pending = map[string]bool{}
			mu.Unlock()
			for _, v := range c.Discovered(d.Servers).VirtualServers {
				if !names[v.Name] {
					continue
				}
				if err := engine.ApplyPool(v.Name, v.Targets); err != nil {
					return err
				}
			}
		}
	})
}
