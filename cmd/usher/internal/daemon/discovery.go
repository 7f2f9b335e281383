package daemon

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"usher/cmd/usher/internal/events"
	"usher/conf"
	"usher/director/discover"
	"usher/director/discover/engine"
)

// Discovery asks where real servers are listed besides the configuration.
type Discovery interface {
	Run(ctx context.Context) error
	Apply([]discover.Config)
	Servers(virtualServer string) []discover.Server
	Status() []engine.Status
	// Left tells when a server that is not listed any more was last listed, if that was lately.
	Left(virtualServer string, server netip.AddrPort) (at time.Time, known bool)
	// Answered waits until every source has answered once, well or not, or ctx ends.
	Answered(ctx context.Context)
}

// DiscoveryHandlers is where discovery delivers.
type DiscoveryHandlers struct {
	Changed func(virtualServer string)
	Events  func(discover.Event)
}

// firstAnswers is how long a start or reload waits for sources that nothing is known of:
// what serves in the kernel is theirs, perhaps, and would be told to drain.
const firstAnswers = 2 * time.Second

// followLimit is how long a kernel that does not answer keeps a reload waiting; it gets the
// servers all the same once it does.
const followLimit = 10 * time.Second

// discovered are the pools whose discovered servers are others than those that run.
type discovered struct {
	mu    sync.Mutex
	names []string
	kick  chan struct{}
	tidy  time.Time // when what is remembered of servers was last looked through
}

// changed is called by discovery, and does not block.
func (f *discovered) changed(virtualServer string) {
	f.mu.Lock()
	if !slices.Contains(f.names, virtualServer) {
		f.names = append(f.names, virtualServer)
	}
	f.mu.Unlock()
	select {
	case f.kick <- struct{}{}:
	default:
	}
}

// take gives them, and forgets them.
func (f *discovered) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := f.names
	f.names = nil
	return names
}

func (d *Daemon) discoveryEvent(e discover.Event) {
	out := events.Event{Time: e.Time, Severity: events.Info, Kind: string(e.Kind), VirtualServer: e.VirtualServer, Reason: e.Reason}
	if e.Source != "" {
		out.Reason = e.Source + ": " + e.Reason
	}
	if e.Kind.Warning() {
		out.Severity = events.Warning
	}
	d.record(out)
}

// discover takes over the sources of c, and gives c with the servers that they have
// listed. The daemon is locked by changing, or starts.
func (d *Daemon) discover(ctx context.Context, c *conf.Config) *conf.Config {
	sources := c.Sources()
	d.discovery.Apply(sources)
	if len(sources) > 0 && slices.ContainsFunc(d.discovery.Status(), func(s engine.Status) bool { return s.Confirmed.IsZero() }) {
		ctx, cancel := context.WithTimeout(ctx, firstAnswers)
		d.discovery.Answered(ctx)
		cancel()
	}
	return c.Discovered(d.discovery.Servers)
}

// follow has the director and the checks follow what is discovered, one pool at a time.
func (d *Daemon) follow(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.found.kick:
		}
		if !d.change(ctx) {
			<-ctx.Done()
			return nil
		}
		for _, name := range d.found.take() {
			d.followOne(ctx, name)
		}
		d.changing.give()
	}
}

// followOne makes one pool have the servers that are discovered by now. The daemon is
// locked by changing.
func (d *Daemon) followOne(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, followLimit)
	defer cancel()
	now := d.now()
	c, before := now.config, now.serving
	if c == nil || now.director == nil { // the start is not that far, or failed: it takes them all
		return
	}
	at := slices.IndexFunc(c.VirtualServers, func(v conf.VirtualServer) bool { return v.Name == name })
	if at < 0 {
		return // a reload took it away
	}
	after := before.WithDiscovered(c, at, d.discovery.Servers)
	for i := range after.VirtualServers {
		v, was := &after.VirtualServers[i], &before.VirtualServers[i]
		if i != at && len(v.Real) > 0 && len(v.Real) == len(was.Real) && &v.Real[0] == &was.Real[0] {
			continue // not touched, as nearly all are
		}
		if slices.Equal(v.Real, was.Real) {
			continue // a start or reload that came meanwhile has taken them
		}
		if err := now.director.ApplyOne(ctx, v.VirtualServer); err != nil {
			d.log.Error("discovered servers cannot be taken in", "virtual_server", v.Name, "error", err)
		}
		if err := now.checks.ApplyPool(v.Name, v.Targets); err != nil {
			d.log.Error("discovered servers cannot be checked", "virtual_server", v.Name, "error", err)
		}
	}
	d.mu.Lock()
	d.serving = after
	d.mu.Unlock()
	d.relay.kick()
	if at := time.Now(); at.Sub(d.found.tidy) > time.Minute {
		d.found.tidy = at
		d.forget(after)
		d.countNeighbours(after)
	}
}
