package vip

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"usher/vrrp"
)

// Options are what a Manager needs.
type Options struct {
	Kernel Kernel
	Log    *slog.Logger
	// Events takes what happens to addresses: EventAddressRepaired and
	// EventAddressFailed. It must not block. Nil drops them.
	Events func(vrrp.Event)
	// Confirm asks the owner of the state machine to call Set again for an
	// instance, with whatever is right once all received packets are handled.
	// It is called by a worker that woke too late, again and again until Set is
	// called, and must not block. With nil the last Set is trusted.
	Confirm func(instance string)
	// Unheld tells that something of an instance that it should hold has not been
	// held for a second, and why, so that a peer can take over; and with an empty
	// reason that all of it can be held again. It must not block. Nil drops it.
	Unheld func(instance, reason string)
	// Will takes what of an instance somebody else is to remove, should this process
	// die: its addresses and local routes, those that are about to be added, too. It is
	// called before they are added and whenever they may have changed, with none
	// when they are gone, and must not block. What others put there is not among them.
	// Nil where nobody is there to do it.
	Will func(instance string, objects []Object)
	// Wakeups wake an urgent thread each that Soon makes ready for a takeover; best on
	// different processors, for one may stand still. Nil for one urgent thread.
	Wakeups []Wakeup
}

// Manager holds the addresses of many instances. New makes it, Run runs it.
type Manager struct {
	o      Options
	pacer  pacer
	shares shares

	mu      sync.RWMutex
	workers map[string]*worker
	leaving map[string]*worker // removed, and still at work
	ctx     context.Context    // of Run; nil before
	wg      sync.WaitGroup
	sets    atomic.Uint64  // calls of Set
	look    chan struct{}  // wakes the audit
	doubts  chan time.Time // wakes the judge: since when an instance lacks something
	// markless is set once it is known that the kernel keeps no marks of addresses.
	markless atomic.Bool
}

// New returns a manager that holds nothing yet.
func New(o Options) *Manager {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Events == nil {
		o.Events = func(vrrp.Event) {}
	}
	if o.Unheld == nil {
		o.Unheld = func(string, string) {}
	}
	if o.Wakeups == nil {
		o.Wakeups = []Wakeup{make(chanWakeup, 1)}
	}
	return &Manager{o: o, workers: map[string]*worker{}, leaving: map[string]*worker{}, look: make(chan struct{}, 1), doubts: make(chan time.Time, 1)}
}

// Configure takes a new or changed instance. What it holds is brought to the new
// configuration in place; whether it is active stays as it was. The error says
// what could not be prepared; the instance is configured all the same.
func (m *Manager) Configure(c vrrp.Config) error {
	p, err := newPlan(c)
	if err != nil {
		return fmt.Errorf("vrrp: %s: %w", c.Name, err)
	}
	for _, link := range p.links {
		if e := m.o.Kernel.Prepare(link); e != nil && err == nil {
			err = fmt.Errorf("vrrp: %s: prepare announcements: %w", c.Name, e)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.workers[c.Name]
	if k == nil {
		k = newWorker(m, c.Name)
		k.before = m.leaving[c.Name]
		m.workers[c.Name] = k
		if m.ctx != nil {
			m.start(k)
		}
	}
	k.configure(p)
	return err
}

// start runs a worker; the manager is locked.
func (m *Manager) start(k *worker) {
	ctx := m.ctx
	m.wg.Go(func() {
		k.run(ctx)
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.leaving[k.name] == k {
			delete(m.leaving, k.name)
		}
	})
}

// Remove withdraws everything of an instance and forgets it. It does not wait.
func (m *Manager) Remove(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.workers[name]
	if k == nil {
		return
	}
	delete(m.workers, name)
	if m.ctx != nil {
		m.leaving[name] = k
	}
	k.remove()
}

func (m *Manager) worker(name string) *worker {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.workers[name]
}

// Set says whether an instance is active and so shall hold its addresses. It
// never blocks and the latest call wins. Calling it again with true confirms
// that the instance is still active; with false, that what is there of it is a leftover
// to be removed.
func (m *Manager) Set(name string, active bool) {
	if k := m.worker(name); k != nil {
		k.set(active)
		m.sets.Add(1)
	}
}

// Soon says that some instance will become active within the next moments. A
// thread that slept takes longer to wake, and to find its way through cold
// caches, than all of its work takes: the urgent threads are woken and kept awake. It never
// blocks.
func (m *Manager) Soon() {
	for _, b := range m.o.Wakeups {
		b.Wake()
	}
}

// Announce starts another round of announcements, after a contest with another
// active router. It never blocks; an instance that is not active ignores it.
func (m *Manager) Announce(name string) {
	if k := m.worker(name); k != nil {
		k.announceAgain()
	}
}

// AnnounceSource tells the neighbours on an interface once, before it returns, that an
// address of this machine, which is no virtual one, is at a MAC address of 6 octets. The
// caller knows that address: what is remembered of the interface can be older.
func (m *Manager) AnnounceSource(link string, address netip.Addr, mac net.HardwareAddr) {
	err := m.o.Kernel.Announce(Announcement{Link: link, Address: address, MAC: [6]byte(mac)})
	if err != nil {
		m.o.Log.Warn("vrrp: cannot announce the source of unicast adverts", "address", address, "interface", link, "error", err)
	}
}

// Held reports whether everything that belongs to an active instance is in place.
func (m *Manager) Held(name string) bool {
	k := m.worker(name)
	return k != nil && k.held.Load()
}

// Repairs gives how often something was put right that somebody had done to objects of
// an instance, by their kind.
func (m *Manager) Repairs(name string) map[vrrp.ObjectKind]uint64 {
	k := m.worker(name)
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.repairs)
}

// Run holds what Set asks for until the context ends; then everything held is
// removed, and Run returns nil. It can be called once.
func (m *Manager) Run(ctx context.Context) error {
	m.mu.Lock()
	if m.ctx != nil {
		m.mu.Unlock()
		return fmt.Errorf("vrrp: hold: Run called twice")
	}
	m.ctx = ctx
	for _, k := range m.workers {
		m.start(k)
	}
	m.mu.Unlock()
	for _, b := range m.o.Wakeups {
		m.wg.Go(func() { m.runUrgent(ctx, b) })
	}
	m.wg.Go(func() { m.audit(ctx) })
	m.wg.Go(func() { m.judge(ctx) })

	err := m.o.Kernel.Watch(ctx, m.changed)
	if ctx.Err() != nil {
		err = nil
	}
	<-ctx.Done()
	m.Soon() // the urgent threads see the end
	m.wg.Wait()
	return err
}

// changed takes a change in the kernel, by whomever.
func (m *Manager) changed(c Change) {
	m.mu.RLock()
	for _, k := range m.workers {
		k.changed(c)
	}
	m.mu.RUnlock()
	select {
	case m.look <- struct{}{}:
	default: // it will look anyway
	}
}

// all gives the workers of the instances that are configured.
func (m *Manager) all() []*worker {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Collect(maps.Values(m.workers))
}
