package vip

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"usher/vrrp"
)

// worker holds what belongs to one instance. Everybody notes what is desired and wakes its
// goroutine, which talks to the kernel; so does an urgent thread that is quicker.
type worker struct {
	m      *Manager
	name   string
	before *worker // of the same name, to be waited for
	done   chan struct{}
	wake   chan struct{}
	held   atomic.Bool
	active atomic.Bool // what Set said last; read again before every announcement
	urgent atomic.Bool // became active, and nobody has looked since

	telling sync.Mutex // so that the owner is told in order; before mu

	mu      sync.Mutex
	desired desired
	doubt   doubt
	// repairs counts what somebody did to objects and was undone, by kind.
	repairs map[vrrp.ObjectKind]uint64

	claims atomic.Pointer[[]claim] // what the kernel has of it, as far as it knows

	working sync.Mutex // for what follows; held while the kernel is spoken to
	open    bool       // it may work: no predecessor holds anything any more, and it has not ended
	work    work
}

// desired is what others want of a worker.
type desired struct {
	plan     plan
	asserted time.Time // of the last Set(true)
	rounds   int       // announcements asked for since the last look
	suspect  bool      // something is not as it shall be: look, and put it right
	relinked bool      // an interface that announces changed: neighbours may have to learn anew
	renewed  bool      // the plan is a new one
	gaveWay  bool      // the owner was told that an active instance lacks something
	sweep    bool      // said again that the instance is not active: something of it may be there all the same
	remove   bool      // hold nothing any more and end
}

func newWorker(m *Manager, name string) *worker {
	return &worker{m: m, name: name, done: make(chan struct{}), wake: make(chan struct{}, 1), repairs: map[vrrp.ObjectKind]uint64{}, work: work{have: map[Object]*heldObject{}}}
}

func (k *worker) poke() {
	select {
	case k.wake <- struct{}{}:
	default: // it will look anyway
	}
}

func (k *worker) configure(p plan) {
	k.mu.Lock()
	k.desired.plan, k.desired.renewed = p, true
	k.mu.Unlock()
	k.poke()
}

func (k *worker) set(active bool) {
	k.mu.Lock()
	if active {
		k.desired.asserted = time.Now()
	}
	k.desired.sweep = !active && !k.active.Load()
	k.expect(active)
	k.urgent.Store(active && !k.active.Load())
	k.active.Store(active)
	k.mu.Unlock()
	k.poke()
}

func (k *worker) announceAgain() {
	k.mu.Lock()
	k.desired.rounds++
	k.mu.Unlock()
	k.poke()
}

func (k *worker) remove() {
	k.active.Store(false)
	k.mu.Lock()
	k.desired.remove = true
	k.mu.Unlock()
	k.poke()
}

// changed takes a change in the kernel. Whether anything is to be put right is for
// the audit to see; here it is about the neighbours alone.
func (k *worker) changed(c Change) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c.Down || c.Address.IsValid() || !slices.Contains(k.desired.plan.links, c.Link) {
		return
	}
	k.desired.relinked = true
	k.poke()
}

// missing takes the audit's word that something is not as it shall be.
func (k *worker) missing(what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.desired.suspect = true
	k.suspect(what)
	k.poke()
}

// take gives what is desired and clears those that are served once.
func (k *worker) take() (w desired, active bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	w = k.desired
	k.urgent.Store(false)
	k.desired.rounds, k.desired.suspect, k.desired.relinked, k.desired.renewed, k.desired.gaveWay, k.desired.sweep = 0, false, false, false, false, false
	return w, k.active.Load() && !w.remove
}

func (k *worker) run(ctx context.Context) {
	defer close(k.done)
	if k.before != nil {
		<-k.before.done
	}
	k.working.Lock()
	k.open = true
	k.working.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			k.working.Lock()
			defer k.working.Unlock()
			k.active.Store(false)
			k.end()
			return
		case <-k.wake:
		case <-timer.C:
		}
		next, ended := k.serve()
		if ended {
			return
		}
		if next.IsZero() {
			timer.Stop()
			continue
		}
		timer.Reset(time.Until(next))
	}
}

// serve does what there is to do, and gives the time of the next look; zero for none
// until something happens. Whoever comes second finds it done.
func (k *worker) serve() (next time.Time, ended bool) {
	k.working.Lock()
	defer k.working.Unlock()
	if !k.open {
		return time.Time{}, true
	}
	w, active := k.take()
	if w.remove {
		k.end()
		k.trust() // one of its name may come after it
		return time.Time{}, true
	}
	next = k.step(w, active)
	k.publish()
	return next, false
}

// end removes everything, for good; the caller has its turn.
func (k *worker) end() {
	k.release()
	k.publish()
	k.open = false
}

func (k *worker) event(kind vrrp.EventKind, reason string) {
	k.m.o.Events(vrrp.Event{Time: time.Now(), Instance: k.name, Kind: kind, Reason: reason})
}
