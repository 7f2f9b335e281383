package engine

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"usher/director/announce"
)

// Speaker is who speaks BGP. Run, Configure, Announce and Withdraw are called by the engine
// alone, Run from a goroutine of its own; Sessions by anybody.
type Speaker interface {
	// Run speaks until ctx ends, closes every session then, and returns nil. Any other end
	// is an error, after which it is called again.
	Run(ctx context.Context) error
	// Configure makes these the peers. Sessions of peers that have not changed go on.
	Configure(local announce.Local, peers []announce.Peer) error
	// Announce has every peer told of a path, in place of that of the same prefix.
	Announce(announce.Path) error
	// Withdraw takes it back. It is no error where there is none.
	Withdraw(netip.Prefix) error
	// Sessions are the peers as they stand, in the order of Configure.
	Sessions() []announce.Session
}

// Host is this machine: its loopback interface, and the others' state.
type Host interface {
	// Hold makes want all of usher's announced addresses on lo, and gives those of them that
	// are there, also beside an error.
	Hold(want []netip.Prefix) (bound []netip.Prefix, err error)
	// Down gives those of some interfaces that are not there, or not up.
	Down(interfaces []string) ([]string, error)
	// Watch calls changed when addresses or interfaces have changed, until ctx ends.
	Watch(ctx context.Context, changed func()) error
}

// Filter drops and counts what comes for an address and is claimed by nobody.
type Filter interface {
	// Keep makes these all of the addresses; with none there is no filter.
	Keep([]netip.Prefix) error
	// Unclaimed is how many packets were dropped since the filter was made.
	Unclaimed() (uint64, error)
}

// Options are what an Engine works with. Only Log, Events and Filter may be missing.
type Options struct {
	Speaker Speaker
	Host    Host
	Filter  Filter
	// Pools says how virtual servers stand. One that is not there is in no table. It is asked
	// once in a pass.
	Pools  func(names []string) []announce.Pool
	Log    *slog.Logger
	Events func(announce.Event) // in order; it must not block nor call the Engine
}

// Engine announces prefixes. Its methods may be called from several goroutines.
type Engine struct {
	options Options
	state   *state // Run's alone
	view    atomic.Pointer[view]

	mu      sync.Mutex // guards waiting
	waiting []func()
	bell    chan struct{}
	ended   chan struct{} // closed when Run is over
}

// errEnded is what somebody is told who wants something of an Engine that runs no more.
var errEnded = errors.New("announcements: the engine has ended")

// lookEvery is how often addresses, interfaces and filter are looked at though nobody has told
// of a change.
const lookEvery = time.Second

// New makes an Engine that does nothing before Run.
func New(o Options) *Engine {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Events == nil {
		o.Events = func(e announce.Event) { o.Log.Info("announcement", "event", e) }
	}
	e := &Engine{options: o, state: newState(o), bell: make(chan struct{}, 1), ended: make(chan struct{})}
	e.view.Store(&view{})
	return e
}

// tell has Run do something, before its next pass. It never waits.
func (e *Engine) tell(f func(*state)) {
	e.mu.Lock()
	e.waiting = append(e.waiting, func() { f(e.state) })
	e.mu.Unlock()
	e.Kick()
}

// Kick says that virtual servers may have changed. It never waits.
func (e *Engine) Kick() {
	select {
	case e.bell <- struct{}{}:
	default:
	}
}

func (e *Engine) serve() {
	e.mu.Lock()
	waiting := e.waiting
	e.waiting = nil
	e.mu.Unlock()
	for _, f := range waiting {
		f()
	}
}

// Run works until ctx ends, once. It leaves addresses and filter as they are: who wants them gone
// calls Stop before.
func (e *Engine) Run(ctx context.Context) error {
	defer close(e.ended)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		e.speak(ctx)
		return nil
	})
	g.Go(func() error {
		e.watch(ctx)
		return nil
	})
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case <-e.bell:
		case <-timer.C:
		}
		e.serve()
		now := time.Now()
		timer.Reset(e.state.pass(now))
		e.view.Store(e.state.show(now))
		e.state.answer()
	}
	return g.Wait()
}

// Back-off of a speaker that does not run, or of a watch that ends.
const (
	soonest = time.Second
	latest  = 30 * time.Second
)

// speak keeps the speaker running. One that ran for a while is tried at once again.
func (e *Engine) speak(ctx context.Context) {
	wait := soonest
	for {
		begun := time.Now()
		err := e.options.Speaker.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(begun) > latest {
			wait = soonest
		}
		again := wait
		e.tell(func(s *state) { s.silent(err, again) })
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, latest)
	}
}

// watch hears of changes of this machine; without, they are seen within lookEvery.
func (e *Engine) watch(ctx context.Context) {
	for {
		err := e.options.Host.Watch(ctx, func() { e.tell(func(s *state) { s.looked = time.Time{} }) })
		if ctx.Err() != nil {
			return
		}
		e.options.Log.Warn("changes of addresses and interfaces are not heard of, they are looked at every second", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(latest):
		}
	}
}

// Started tells that the speaker takes paths from now on.
func (e *Engine) Started() { e.tell(func(s *state) { s.speaks() }) }

// SessionChanged tells of a session's change.
func (e *Engine) SessionChanged(now announce.Session) { e.tell(func(s *state) { s.session(now) }) }

// SetActive says whether a VRRP instance is active.
func (e *Engine) SetActive(instance string, active bool) {
	e.tell(func(s *state) { s.active[instance] = active })
}

// SetMaintenance says whether this director is in maintenance.
func (e *Engine) SetMaintenance(on bool) { e.tell(func(s *state) { s.maintenance = on }) }

// SetWithdrawn makes these the announcements that an operator has withdrawn.
func (e *Engine) SetWithdrawn(names []string) {
	e.tell(func(s *state) {
		clear(s.withdrawn)
		for _, n := range names {
			s.withdrawn[n] = true
		}
	})
}

// Apply makes c the configuration, and returns when the peers are told of it. What c does not
// have any more is withdrawn in good order meanwhile, and still held for that long: see Retire.
func (e *Engine) Apply(ctx context.Context, c announce.Config) error {
	done := make(chan error, 1)
	e.tell(func(s *state) { done <- s.apply(c) })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-e.ended:
		return errEnded
	}
}

// Retire withdraws some prefixes in good order, and returns when nothing of them is held any
// more: their virtual servers may go then. They stay so until Apply.
func (e *Engine) Retire(ctx context.Context, gone func(announcement string, p netip.Prefix) bool) error {
	return e.await(ctx, func(s *state) { s.retire(gone) }, func(s *state) bool { return s.retired() })
}

// Stop withdraws everything in good order, for good, and returns when nothing is held any more.
func (e *Engine) Stop(ctx context.Context) error {
	return e.await(ctx, func(s *state) { s.stopping = true }, func(s *state) bool { return s.idle() })
}

// await has something begun, and waits until it is over.
func (e *Engine) await(ctx context.Context, begin func(*state), over func(*state) bool) error {
	done := make(chan struct{})
	e.tell(func(s *state) {
		begin(s)
		s.waiters = append(s.waiters, waiter{over: over, done: done})
	})
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-e.ended:
		return errEnded
	}
}
