package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"usher/healthcheck"
	"usher/healthcheck/internal/timers"
)

// batch is how long the engine lets due probes gather before it wakes again: a
// wake for each of ten thousand probes a second costs more than the probes. At a thousand a
// second a probe with its handshake costs 57 us of CPU in batches of 10 ms and 42 in those of
// 20; 15 keep the latest of a hundred probes within 20 ms of its time.
const batch = 15 * time.Millisecond

// pace is the time between the first probes of new checks, which run at once: a
// thousand new servers are probed within a tenth of a second, not in one instant.
const pace = 100 * time.Microsecond

// Options are what an Engine works with. Prober is needed, the rest may be nil.
type Options struct {
	Log    *slog.Logger
	Prober Prober
	// Results takes the verdicts, in order, from one goroutine. It may block; the
	// probes go on meanwhile.
	Results func(healthcheck.Update)
	// Events takes what happened to the checks themselves, from the same goroutine.
	Events func(healthcheck.Event)
	// Observe sees each single result, for metrics. It must be fast, must not call
	// the engine, and is called from many goroutines, one at a time.
	Observe func(healthcheck.Type, healthcheck.Result)
}

// Engine runs the checks of many servers: one timer structure for all, no
// goroutine for an idle check, identical probes once.
type Engine struct {
	log  *slog.Logger
	opts Options
	wake chan struct{} // the earliest probe has changed
	out  outbox

	applying sync.Mutex // held over a whole Apply, before mu
	mu       sync.Mutex
	queue    timers.Queue[owner]
	targets  map[healthcheck.ID]*target
	order    order
	probes   map[uint64]*probe
	byKey    map[probeKey]*probe
	lastID   uint64
	epoch    time.Time
	slots    map[time.Duration]uint64 // phases given out, for each interval
	first    time.Time                // when the next new check may have its first probe
	looked   time.Time                // when the loop last took what was due
	armed    time.Time                // when it wakes next
	forget   []uint64
	overload overload
	stats    healthcheck.Stats
	late     histogram
	unable   map[checkOf]map[*member]bool // checks that cannot be carried out
}

// New makes an Engine. Nothing runs before Run.
func New(o Options) *Engine {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Engine{
		log: o.Log, opts: o,
		wake:    make(chan struct{}, 1),
		out:     outbox{ready: make(chan struct{}, 1)},
		targets: make(map[healthcheck.ID]*target),
		probes:  make(map[uint64]*probe),
		byKey:   make(map[probeKey]*probe),
		slots:   make(map[time.Duration]uint64),
		unable:  make(map[checkOf]map[*member]bool),
	}
}

// Run probes until ctx ends. It owns every goroutine, the prober's too.
func (e *Engine) Run(ctx context.Context) error {
	// The prober outlives the loop a little, so that nothing is started in a
	// prober that is gone.
	proberCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := e.opts.Prober.Run(proberCtx); err != nil {
			return fmt.Errorf("healthcheck: prober: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		defer cancel()
		e.loop(ctx, proberCtx)
		return nil
	})
	g.Go(func() error {
		e.out.run(ctx, e.opts)
		return nil
	})
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// loop sleeps until probes are due and starts them.
func (e *Engine) loop(ctx, proberCtx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var jobs []healthcheck.Job
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-e.wake:
		}
		var next time.Duration
		var gone []uint64
		now := time.Now()
		jobs, gone, next = e.due(now, jobs[:0])
		for _, id := range gone {
			e.opts.Prober.Forget(id)
		}
		if len(jobs) > 0 {
			e.opts.Prober.Start(proberCtx, jobs)
		}
		timer.Reset(next)
	}
}

// due takes what is due out of the queue, and says how long to sleep after it.
func (e *Engine) due(now time.Time, jobs []healthcheck.Job) ([]healthcheck.Job, []uint64, time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for t := e.queue.First(); t != nil && !t.At.After(now); t = e.queue.First() {
		if held := t.Value.target; held != nil {
			e.queue.Remove(t)
			e.settle(now, held)
			continue
		}
		if job, ok := e.begin(now, t.Value.probe); ok {
			jobs = append(jobs, job)
		}
	}
	e.overload.report(now, e.event)
	gone := e.forget
	e.forget = nil
	e.looked, e.armed = now, now.Add(time.Hour)
	if t := e.queue.First(); t != nil {
		e.armed = e.wakeFor(t.At)
	}
	return jobs, gone, e.armed.Sub(now)
}

// wakeFor is when the loop wakes for what is due at a time: not before a batch has
// gathered since it last looked.
func (e *Engine) wakeFor(at time.Time) time.Time {
	if soonest := e.looked.Add(batch); at.Before(soonest) {
		return soonest
	}
	return at
}

// rouse wakes the loop if it would wake by itself too late for what is due first.
func (e *Engine) rouse() {
	if t := e.queue.First(); len(e.forget) == 0 && (t == nil || !e.wakeFor(t.At).Before(e.armed)) {
		return
	}
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// begin starts one probe's run, unless its last is still under way, and arms its next.
func (e *Engine) begin(now time.Time, p *probe) (healthcheck.Job, bool) {
	late := now.Sub(p.timer.At)
	if p.check.Type.Continuous() {
		e.queue.Remove(&p.timer)
	} else {
		e.queue.Set(&p.timer, p.following(now))
	}
	if p.running {
		e.stats.Skipped++
		return healthcheck.Job{}, false
	}
	e.late.add(late)
	if late > p.check.Interval/2 && !p.check.Type.Continuous() {
		e.stats.Late++
		e.overload.add(late)
	}
	e.stats.Started++
	p.running, p.started = true, now
	return healthcheck.Job{ID: p.id, Check: &p.check, Report: p.report}, true
}

// report takes one result in. Verdicts go out in the order of these calls.
func (e *Engine) report(p *probe, r healthcheck.Result) {
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.probes[p.id] != p {
		return // taken out meanwhile
	}
	r.Reason = healthcheck.Printable(r.Reason)
	if e.opts.Observe != nil {
		e.opts.Observe(p.check.Type, r)
	}
	e.take(now, p, r)
	e.rouse()
}

// take counts one result for everybody who wants it.
func (e *Engine) take(now time.Time, p *probe, r healthcheck.Result) {
	p.running = p.check.Type.Continuous()
	p.last, p.ended = r, now
	if r.Outcome == healthcheck.Inconclusive {
		e.stats.Inconclusive++
	}
	changing := false
	for _, m := range p.members {
		before := m.health
		m.health = before.Step(m.rules, r)
		changing = changing || m.health.Changing()
		if m.health == before {
			continue
		}
		if m.health.State != before.State || m.health.Decided != before.Decided {
			m.since = now
		}
		e.settle(now, m.target)
	}
	e.expiry(now, p)
	e.ability(now, p)
	if fast := p.check.FastInterval; changing && fast > 0 {
		e.hasten(p, now, p.started.Add(fast))
	}
}

// hasten brings a probe's next run forward, not before now, and says if it did.
func (e *Engine) hasten(p *probe, now, at time.Time) bool {
	if at.Before(now) {
		at = now
	}
	if p.running || !at.Before(p.timer.At) {
		return false
	}
	e.queue.Set(&p.timer, at)
	return true
}

// settle joins a server's checks and sends its verdict on if it is a new one.
func (e *Engine) settle(now time.Time, t *target) {
	t.joint = t.joint.Step(now, t.rules, t.healths())
	if hold := t.joint.Deadline(); hold.After(now) {
		e.queue.Set(&t.hold, hold)
	} else {
		e.queue.Remove(&t.hold)
	}
	if t.told && t.sent == t.joint.Verdict {
		return
	}
	if !t.told || t.sent.State != t.joint.Verdict.State {
		t.since = now
	}
	t.told, t.sent = true, t.joint.Verdict
	u := healthcheck.Update{ID: t.id, Verdict: t.sent, At: now}
	t.remember(u)
	e.out.put(delivery{update: &u})
}
