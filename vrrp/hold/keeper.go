package hold

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"usher/vrrp"
)

// keeper holds what belongs to one instance. Everybody leaves a wish and wakes its
// goroutine, which talks to the kernel; so does a hand that is quicker.
type keeper struct {
	m      *Manager
	name   string
	before *keeper // of the same name, to be waited for
	done   chan struct{}
	wake   chan struct{}
	held   atomic.Bool
	active atomic.Bool // what Set said last; read again before every announcement
	urgent atomic.Bool // became active, and nobody has looked since

	telling sync.Mutex // so that the owner is told in order; before mu

	mu    sync.Mutex
	wish  wish
	doubt doubt
	// repairs counts what somebody did to objects and was undone, by kind.
	repairs map[vrrp.ObjectKind]uint64

	claims atomic.Pointer[[]claim] // what the kernel has of it, as far as it knows

	turn sync.Mutex // for what follows; held while the kernel is spoken to
	open bool       // it may work: no predecessor holds anything any more, and it has not ended
	work work
}

// wish is what others want of a keeper.
type wish struct {
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

func newKeeper(m *Manager, name string) *keeper {
	return &keeper{m: m, name: name, done: make(chan struct{}), wake: make(chan struct{}, 1), repairs: map[vrrp.ObjectKind]uint64{}, work: work{have: map[Object]*thing{}}}
}

func (k *keeper) poke() {
	select {
	case k.wake <- struct{}{}:
	default: // it will look anyway
	}
}

func (k *keeper) configure(p plan) {
	k.mu.Lock()
	k.wish.plan, k.wish.renewed = p, true
	k.mu.Unlock()
	k.poke()
}

func (k *keeper) set(active bool) {
	k.mu.Lock()
	if active {
		k.wish.asserted = time.Now()
	}
	k.wish.sweep = !active && !k.active.Load()
	k.expect(active)
	k.urgent.Store(active && !k.active.Load())
	k.active.Store(active)
	k.mu.Unlock()
	k.poke()
}

func (k *keeper) announceAgain() {
	k.mu.Lock()
	k.wish.rounds++
	k.mu.Unlock()
	k.poke()
}

func (k *keeper) remove() {
	k.active.Store(false)
	k.mu.Lock()
	k.wish.remove = true
	k.mu.Unlock()
	k.poke()
}

// changed takes a change in the kernel. Whether anything is to be put right is for
// the audit to see; here it is about the neighbours alone.
func (k *keeper) changed(c Change) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c.Down || c.Address.IsValid() || !slices.Contains(k.wish.plan.links, c.Link) {
		return
	}
	k.wish.relinked = true
	k.poke()
}

// missing takes the audit's word that something is not as it shall be.
func (k *keeper) missing(what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wish.suspect = true
	k.suspect(what)
	k.poke()
}

// take gives the wishes and clears those that are served once.
func (k *keeper) take() (w wish, active bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	w = k.wish
	k.urgent.Store(false)
	k.wish.rounds, k.wish.suspect, k.wish.relinked, k.wish.renewed, k.wish.gaveWay, k.wish.sweep = 0, false, false, false, false, false
	return w, k.active.Load() && !w.remove
}

func (k *keeper) run(ctx context.Context) {
	defer close(k.done)
	if k.before != nil {
		<-k.before.done
	}
	k.turn.Lock()
	k.open = true
	k.turn.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			k.turn.Lock()
			defer k.turn.Unlock()
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
func (k *keeper) serve() (next time.Time, ended bool) {
	k.turn.Lock()
	defer k.turn.Unlock()
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
func (k *keeper) end() {
	k.release()
	k.publish()
	k.open = false
}

func (k *keeper) event(kind vrrp.EventKind, reason string) {
	k.m.o.Events(vrrp.Event{Time: time.Now(), Instance: k.name, Kind: kind, Reason: reason})
}
