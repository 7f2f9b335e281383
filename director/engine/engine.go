package engine

import (
	"context"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"usher/director"
)

// DefaultResync is how often the whole table is compared with the kernel's.
const DefaultResync = 30 * time.Second

// Options are what an Engine works with. Kernel is required.
type Options struct {
	Kernel director.Kernel
	Log    *slog.Logger // nil for none
	// Events hears what happened, in order, from the goroutine of Run; it must not
	// block and must not call back into the Engine. Nil writes them to Log.
	Events func(director.Event)
	// State is the folder that remembers ownership and overrides across restarts.
	// "" remembers nothing.
	State string
	// Resync is how often the whole table is compared; 0 for DefaultResync.
	Resync time.Duration
	// Sysctl reads and writes kernel settings; nil where they are not handled.
	Sysctl Sysctl
	// Interfaces gives the interfaces by which this machine reaches addresses: there it
	// forwards the replies of real servers. Nil where that is not looked at.
	Interfaces func([]netip.Addr) []string
	// SNAT keeps the source NAT rules of fullnat; nil where they are not handled.
	SNAT SNAT
}

// Engine keeps the kernel as its virtual servers want it. Its methods may be
// called from several goroutines.
type Engine struct {
	options  Options
	inbox    *inbox
	state    *state // the inbox's owner's alone
	view     atomic.Pointer[snapshot]
	counters counters
}

// New gives an Engine that does nothing until Run.
func New(o Options) *Engine {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Resync <= 0 {
		o.Resync = DefaultResync
	}
	e := &Engine{options: o, inbox: newInbox(), counters: counters{log: o.Log, kernel: o.Kernel}}
	e.state = newState(o, e.inbox.beside)
	e.view.Store(&snapshot{})
	return e
}

// Run works until ctx is done, then returns nil and leaves the kernel as it is.
// It is an error if what is remembered in the state folder cannot be read at all.
func (e *Engine) Run(ctx context.Context) error {
	if e.inbox.own(ctx) != nil {
		return nil
	}
	defer e.inbox.disown()
	s := e.state
	if err := s.remember(true); err != nil {
		return err
	}
	defer s.snat.watchers.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		if !s.schedule.woken() {
			select {
			case <-ctx.Done():
			case <-e.inbox.bell:
				e.inbox.serve()
			case <-timer.C:
				s.schedule.wake()
			}
			continue
		}
		e.inbox.serve() // what waits already takes part
		s.step()
		s.pass()
		s.snat.watch(ctx, e.filterChanged)
		s.rest()
		if at := s.next(); at.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(at))
		}
	}
	return nil
}

// filterChanged has Run compare the fullnat rules.
func (e *Engine) filterChanged() {
	e.inbox.tell(func() {
		e.state.snat.changed = true
		e.state.schedule.wake()
	})
}

// Stop ends an Engine whose Run has returned. With keep the kernel goes on as it
// is and the next Engine adopts it. Without, everything of ours is removed and
// the settings that were changed are put back; others' services stay.
func (e *Engine) Stop(ctx context.Context, keep bool) error {
	if err := e.inbox.own(ctx); err != nil {
		return err
	}
	defer e.inbox.disown()
	return e.state.end(ctx, keep)
}
