package probe

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"usher/healthcheck"
	"usher/healthcheck/bfd"
	"usher/healthcheck/probe/loop"
)

// Options are what a Prober works with; all may be zero.
type Options struct {
	Log *slog.Logger
	// Commands runs the programs of exec checks, which cannot run without it.
	Commands Commands
}

// Prober carries out every type of check (the Prober of package healthcheck/engine).
type Prober struct {
	loop *loop.Loop
	bfd  *bfd.Engine
	from sources
	run  Commands
	wg   sync.WaitGroup

	dials []loop.Dial // space for Start
}

// New makes a Prober. Nothing runs and nothing is open before Run.
func New(o Options) *Prober {
	return &Prober{loop: loop.New(), bfd: bfd.New(o.Log), run: o.Commands}
}

// BFD runs the sessions of bfd checks, and takes others: there can be one engine on
// a machine's UDP port only. Numbers below 1<<32 are the checks'.
func (p *Prober) BFD() *bfd.Engine { return p.bfd }

// Run owns the event loop, the BFD sessions and the probes under way until ctx ends.
func (p *Prober) Run(ctx context.Context) error {
	defer p.wg.Wait()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.loop.Run(ctx) })
	g.Go(func() error { return p.bfd.Run(ctx) })
	return g.Wait()
}

// Start begins probes: on the loop where it can, else in a goroutine that lives as
// long as the probe.
func (p *Prober) Start(ctx context.Context, jobs []healthcheck.Job) {
	dials := p.dials[:0]
	for _, j := range jobs {
		if j.Check.Type == healthcheck.TypeBFD {
			p.bfd.Watch(j.ID, peerOf(j.Check), func(c bfd.Change) { j.Report(judgeBFD(c)) })
			continue
		}
		j.Check = p.from.through(time.Now(), j.Check)
		if x := onLoop(j); x != nil {
			dials = append(dials, dialOf(j, x))
			continue
		}
		f := p.find(j.Check.Type)
		p.wg.Go(func() { j.Report(run(ctx, f, j)) })
	}
	if len(dials) > 0 {
		p.loop.Start(dials)
	}
	clear(dials)
	p.dials = dials
}

// Forget ends a continuous job.
func (p *Prober) Forget(id uint64) { p.bfd.Forget(id) }

// onLoop is the exchange of a check that the event loop can run; nil for the others.
func onLoop(j healthcheck.Job) loop.Exchange {
	switch c := j.Check; {
	case c.Type == healthcheck.TypeTCP && connectOnly(c):
		return newConnectExchange(j)
	case c.Type == healthcheck.TypeHTTP && simple(c):
		return newHTTPExchange(j)
	}
	return nil
}

func dialOf(j healthcheck.Job, x loop.Exchange) loop.Dial {
	c := j.Check
	return loop.Dial{
		To: target(c), Bind: c.Bind, Interface: c.Interface, Mark: mark(c), Timeout: c.Timeout, Exchange: x,
		HalfOpen: c.Type == healthcheck.TypeTCP && (c.TCP == nil || !c.TCP.FullConnect),
		Speaks:   c.Type == healthcheck.TypeHTTP,
	}
}

// run carries out one probe by its function.
func run(parent context.Context, f healthcheck.Func, j healthcheck.Job) healthcheck.Result {
	ctx := allow(parent, j.Check.Timeout)
	begun := time.Now()
	r := f(ctx, j.Check)
	lost := ctx.stop()
	if r.Latency == 0 {
		r.Latency = time.Since(begun)
	}
	return judgedLate(r, lost)
}

// find is the function of a type.
func (p *Prober) find(t healthcheck.Type) healthcheck.Func {
	switch t {
	case healthcheck.TypeTCP:
		return tcp
	case healthcheck.TypeHTTP, healthcheck.TypeHTTPS:
		return web
	case healthcheck.TypeTLS:
		return handshake
	case healthcheck.TypeUDP:
		return udp
	case healthcheck.TypeDNS:
		return ask
	case healthcheck.TypeSMTP:
		return smtp
	case healthcheck.TypePing:
		return ping
	case healthcheck.TypeGRPC:
		return grpc
	case healthcheck.TypeMySQL:
		return login(mysqlLogin)
	case healthcheck.TypePostgres:
		return login(postgres)
	case healthcheck.TypeRedis:
		return login(redis)
	case healthcheck.TypeExec:
		return p.run.command
	case healthcheck.TypeAgent:
		return agent
	case healthcheck.TypeFile:
		return file
	}
	return func(context.Context, *healthcheck.Check) healthcheck.Result {
		return cannot("no check of type %s", t)
	}
}
