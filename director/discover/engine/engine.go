// Package engine asks the sources of all pools, each when it is due, and keeps what they
// said: for whoever wants to know, and in the state folder for the next start.
//
//	e := engine.New(engine.Options{Open: open, Changed: changed, State: "/var/lib/usher"})
//	go e.Run(ctx)
//	e.Apply(pools)
//	servers := e.Servers("web") // after each call of changed
package engine

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"time"

	"usher/director/discover"
)

// Reader asks one source. Read ends with its context, and its methods are called from one
// goroutine.
type Reader interface {
	Read(ctx context.Context) discover.Answer
	Close()
}

// watched is a Reader that knows when there may be something new.
type watched interface{ Changed() <-chan struct{} }

// gather is how long changes that a Reader is told of may gather before it reads.
const gather = 100 * time.Millisecond

// Options are what an Engine works with. Open is required, the rest may be nil.
type Options struct {
	Log *slog.Logger
	// Open makes the Reader of a source.
	Open func(discover.Source) Reader
	// Changed hears the name of a pool that has other servers now. It must not block.
	Changed func(virtualServer string)
	// Events hears what happened. It must not block.
	Events func(discover.Event)
	// State is the folder that has the sets for the next start; "" for none.
	State string
}

// Engine asks sources. Its methods may be called from several goroutines.
type Engine struct {
	opts  Options
	log   *slog.Logger
	made  time.Time
	saver saver

	mu    sync.Mutex
	ctx   context.Context // of Run; nil before
	pools map[string]*pool
	went  map[string]*pool // by the latest Apply, which may be taken back
	turns turns
	order []string
	swept bool
	wait  sync.WaitGroup
}

// pool is one with the goroutines that ask its sources.
type pool struct {
	*discover.Pool
	config discover.Config
	askers []*asker
}

// asker asks one source.
type asker struct {
	source discover.Source
	stop   context.CancelFunc // nil before Run
	again  chan struct{}      // ask now
	first  chan struct{}      // closed after the first answer
}

// New makes an Engine. Nothing is asked before Run.
func New(o Options) *Engine {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Changed == nil {
		o.Changed = func(string) {}
	}
	if o.Events == nil {
		o.Events = func(discover.Event) {}
	}
	return &Engine{opts: o, log: o.Log, made: time.Now(), turns: turns{}, pools: map[string]*pool{}, saver: newSaver(o.State)}
}

// Run asks until ctx ends, and then saves what is not yet saved.
func (e *Engine) Run(ctx context.Context) error {
	e.mu.Lock()
	e.ctx = ctx
	for _, p := range e.pools {
		e.start(p)
	}
	e.mu.Unlock()
	e.saver.run(ctx, e.stored, func(err error) {
		e.log.Warn("discovered servers are not kept for the next start", "error", err)
	})
	e.mu.Lock()
	e.ctx = nil
	for _, p := range e.pools {
		p.halt(nil)
	}
	e.mu.Unlock()
	e.wait.Wait()
	return nil
}

// Apply makes configs the pools that have sources. A source that stays goes on undisturbed;
// a pool that is new finds what the state folder has of it, one that the Apply before took
// away what it had.
func (e *Engine) Apply(configs []discover.Config) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before, went := e.pools, e.went
	e.pools, e.order = make(map[string]*pool, len(configs)), e.order[:0]
	e.turns.keep(configs)
	for _, c := range configs {
		name := c.Server.Name
		e.order = append(e.order, name)
		p := before[name]
		delete(before, name)
		switch {
		case p == nil && went[name] != nil:
			p = went[name]
			p.Update(c)
			p.config, p.askers = c, askersOf(c)
			e.saver.mark(name)
		case p == nil:
			p = &pool{Pool: discover.NewPool(c)}
			if stored, err := e.saver.load(name); err != nil {
				e.opts.Events(discover.Event{Time: time.Now(), Kind: discover.EventDamaged, VirtualServer: name, Reason: err.Error()})
			} else {
				p.Restore(stored)
			}
			p.config = c
			p.askers = askersOf(c)
		default:
			listed := slices.EqualFunc(p.config.Sources, c.Sources, func(a, b discover.Source) bool { return a.Same(&b) })
			p.Update(c)
			p.config = c
			e.adapt(p)
			if !listed {
				e.saver.mark(name)
			}
		}
		e.pools[name] = p
		if e.ctx != nil {
			e.start(p)
		}
	}
	e.went = before
	for name, p := range before {
		p.halt(nil)
		e.saver.mark(name) // which removes what is kept of it
	}
	if !e.swept { // of pools that went before this process came
		e.swept = true
		e.saver.sweep(e.order)
	}
}

func askersOf(c discover.Config) []*asker {
	all := make([]*asker, len(c.Sources))
	for i := range all {
		all[i] = newAsker(c.Sources[i])
	}
	return all
}

func newAsker(s discover.Source) *asker {
	return &asker{source: s, again: make(chan struct{}, 1), first: make(chan struct{})}
}

// adapt keeps the askers of sources that are as they were and makes those of the others.
// Caller holds mu.
func (e *Engine) adapt(p *pool) {
	var kept []*asker
	before := p.askers
	p.askers = make([]*asker, len(p.config.Sources))
	for i := range p.config.Sources {
		s := &p.config.Sources[i]
		at := slices.IndexFunc(before, func(a *asker) bool { return a.source.Equal(s) && !slices.Contains(kept, a) })
		if at < 0 {
			p.askers[i] = newAsker(*s)
			continue
		}
		p.askers[i] = before[at]
		kept = append(kept, before[at])
		if !reflect.DeepEqual(before[at].source, *s) { // what its answers mean is another thing
			p.askers[i].source = *s
			p.askers[i].now()
		}
	}
	halted := &pool{askers: before}
	halted.halt(kept)
}

// now has an asker ask at once.
func (a *asker) now() {
	select {
	case a.again <- struct{}{}:
	default:
	}
}

// halt ends the askers of a pool but for some. It does not wait for them.
func (p *pool) halt(but []*asker) {
	for _, a := range p.askers {
		if a.stop != nil && !slices.Contains(but, a) {
			a.stop()
			a.stop = nil
		}
	}
}

// start has each source of a pool asked that is not yet. Caller holds mu.
func (e *Engine) start(p *pool) {
	name := p.config.Server.Name
	for _, a := range p.askers {
		if a.stop != nil {
			continue
		}
		ctx, stop := context.WithCancel(e.ctx)
		a.stop = stop
		source, turn := a.source, e.turns.of(&a.source)
		e.wait.Go(func() { e.ask(ctx, name, a, source, turn) })
	}
}

// ask asks one source until ctx ends. What a reload changes of it without another asker
// is nothing that asking depends on.
func (e *Engine) ask(ctx context.Context, name string, a *asker, source discover.Source, turn chan struct{}) {
	reader := e.opts.Open(source)
	defer reader.Close()
	var changed <-chan struct{}
	if w, ok := reader.(watched); ok {
		changed = w.Changed()
	}
	var pace discover.Pace
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-a.again:
		case <-changed:
			timer.Reset(gather)
			changed = nil
			continue
		}
		answer, ok := read(ctx, reader, source.Timeout, turn)
		if !ok {
			return
		}
		if !e.step(name, a, answer) {
			return
		}
		if w, ok := reader.(watched); ok {
			changed = w.Changed()
		}
		timer.Reset(pace.Next(&source, answer, time.Since(e.made), rand.Float64()))
	}
}

// read asks once, within its time and when it is its turn.
func read(ctx context.Context, reader Reader, timeout time.Duration, turn chan struct{}) (discover.Answer, bool) {
	give, ok := take(ctx, turn)
	if !ok {
		return discover.Answer{}, false
	}
	defer give()
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer := reader.Read(within)
	return answer, ctx.Err() == nil // one that was cut short by the end says nothing
}

// step has a pool take an answer. It tells whether the source is still one of the pool's.
func (e *Engine) step(name string, a *asker, answer discover.Answer) bool {
	e.mu.Lock()
	p := e.pools[name]
	at := -1
	if p != nil {
		at = slices.Index(p.askers, a)
	}
	if at < 0 {
		e.mu.Unlock()
		return false
	}
	before := p.Sets()[at].Confirmed
	out := p.Step(at, answer, time.Now())
	if out.Changed || before.IsZero() {
		e.saver.mark(name)
	}
	select {
	case <-a.first:
	default:
		close(a.first)
	}
	e.mu.Unlock()
	for _, event := range out.Events {
		e.opts.Events(event)
	}
	if out.Changed {
		e.opts.Changed(name)
	}
	return true
}

// stored is what is to be kept of a pool; nil where it is none any more.
func (e *Engine) stored(name string) *discover.Stored {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.pools[name]
	if p == nil {
		return nil
	}
	s := p.Stored()
	return &s
}
