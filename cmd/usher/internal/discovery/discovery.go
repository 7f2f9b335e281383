// Package discovery puts together what asks the sources of real servers on this machine:
// the engine of director/discover with the readers of its kinds.
package discovery

import (
	"context"
	"io/fs"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"usher/director/discover"
	"usher/director/discover/dns"
	"usher/director/discover/engine"
	"usher/director/discover/file"
	"usher/director/discover/http"
	"usher/healthcheck/files"
)

// Discovery asks sources.
type Discovery struct {
	*engine.Engine
	log     *slog.Logger
	watcher *file.Watcher // nil where the kernel gives none

	transport dns.Transport
}

// Options are those of the engine, but for who opens sources.
type Options struct {
	Log     *slog.Logger
	Changed func(virtualServer string)
	Events  func(discover.Event)
	State   string
}

// New makes a Discovery. Nothing is asked before Run.
func New(o Options) *Discovery {
	d := &Discovery{log: o.Log}
	d.Engine = engine.New(engine.Options{Log: o.Log, Open: d.open, Changed: o.Changed, Events: o.Events, State: o.State})
	return d
}

// Run asks until ctx ends.
func (d *Discovery) Run(ctx context.Context) error {
	var err error
	if d.watcher, err = file.NewWatcher(); err != nil {
		d.log.Warn("changes of files are not seen before discover's interval", "error", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	if d.watcher != nil {
		g.Go(func() error { return d.watcher.Run(ctx) })
	}
	g.Go(func() error { return d.Engine.Run(ctx) })
	return g.Wait()
}

func (d *Discovery) open(s discover.Source) engine.Reader { return reader(s, d.watcher, &d.transport) }

func reader(s discover.Source, watcher *file.Watcher, transport *dns.Transport) engine.Reader {
	switch s.Kind {
	case discover.KindDNS:
		return dns.New(s, transport)
	case discover.KindFile:
		return file.New(s, disk{}, watcher)
	default:
		return http.New(s, func(ctx context.Context, path string) ([]byte, error) { return files.Read(ctx, path, files.Secret) })
	}
}

// Look asks each source of pools once, as they were kept in a state folder or not at all,
// and gives what is discovered now. It changes nothing.
func Look(ctx context.Context, pools []discover.Config, state string) *engine.Once {
	transport := new(dns.Transport)
	return engine.Look(ctx, pools, state, func(s discover.Source) engine.Reader { return reader(s, nil, transport) })
}

// disk reads files within bounds, whatever is there.
type disk struct{}

func (disk) Read(ctx context.Context, path string, limit int64) ([]byte, error) {
	return files.Read(ctx, path, limit)
}
func (disk) Stat(ctx context.Context, path string) (fs.FileInfo, error) { return files.Stat(ctx, path) }
func (disk) Folder(ctx context.Context, path string) ([]fs.DirEntry, error) {
	return files.Folder(ctx, path)
}
