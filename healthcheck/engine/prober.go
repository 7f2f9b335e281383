package engine

import (
	"context"
	"sync"

	"usher/healthcheck"
)

// Prober carries out probes. The engine says when; how is the prober's.
type Prober interface {
	// Run owns what probes need (goroutines, an event loop, descriptors) until
	// ctx ends, and leaves nothing behind.
	Run(ctx context.Context) error
	// Start begins the jobs and returns without waiting for any of them. It is
	// called by one goroutine at a time. Each is reported once, at the latest soon
	// after its check's timeout, which counts from when the probe itself begins: one
	// that this machine begins late has all of it. A continuous one
	// (Type.Continuous) is reported at each change until it is forgotten. ctx ends no later
	// than Run's, and the engine starts nothing after that. The slice is the
	// caller's again on return.
	Start(ctx context.Context, jobs []healthcheck.Job)
	// Forget ends a continuous job, by its ID.
	Forget(id uint64)
}

// ProberFunc makes a Prober of one function, run in a goroutine for each probe
// under way: for tests and simulations, whose function answers from a table.
func ProberFunc(f healthcheck.Func) Prober { return &funcProber{probe: f} }

type funcProber struct {
	probe healthcheck.Func
	wg    sync.WaitGroup
}

func (p *funcProber) Run(ctx context.Context) error {
	<-ctx.Done()
	p.wg.Wait()
	return nil
}

func (p *funcProber) Start(ctx context.Context, jobs []healthcheck.Job) {
	for _, j := range jobs {
		p.wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, j.Check.Timeout)
			defer cancel()
			j.Report(p.probe(ctx, j.Check))
		})
	}
}

func (p *funcProber) Forget(uint64) {}
