package socket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"usher/vrrp"
	"usher/vrrp/engine"
)

// Timing of the loop.
const (
	// early is how long before a takeover the thread wakes to spin: more than the
	// kernel is late by when it wakes a thread.
	early = 400 * time.Microsecond
	// maxDrain is how many messages one socket may give before the loop turns to its
	// own adverts, which a flood must not hold up.
	maxDrain = 512
)

// Holder puts virtual addresses on this machine and takes them off, beside the
// loop. Its methods must not block.
type Holder interface {
	Set(name string, active bool)
	Announce(name string)
	// AnnounceSource tells the neighbours where an address of this machine is.
	AnnounceSource(link string, address netip.Addr, mac net.HardwareAddr)
	// Soon says that a Set may come in less than half a millisecond.
	Soon()
}

// Options of a Loop.
type Options struct {
	Log    *slog.Logger
	Holder Holder
	// Events is called on the loop's thread and must not block.
	Events func(vrrp.Event)
	// Will takes what somebody else can resign with for an instance, as in engine.Options.
	Will func(instance string, resignation []engine.Outgoing)
	// Alive is called whenever the loop is at work, which it is in each interval of an
	// active instance; it must not block. Nil for nobody.
	Alive func()
	// Stamps keep what was sent last, as in engine.Options.
	Stamps engine.Stamps
	// Ours says whether usher put an address on the interface of that index, where the
	// kernel does not; nil for nobody who knows.
	Ours func(index int, p netip.Prefix) bool
	// Realtime asks for a real-time schedule and locked memory for the whole
	// process, with a warning where that is not permitted.
	Realtime bool
}

// Loop is an engine on real sockets.
type Loop struct {
	log    *slog.Logger
	holder Holder
	links  *watcher
	alive  func()
	rt     bool

	stepping  sync.Mutex // for the engine and its sockets: both threads step it
	engine    *engine.Engine
	sender    *sender
	listeners receivers
	guarded   time.Time // until when the second thread sleeps

	guardWakeup *Wakeup // wakes the second thread

	mu     sync.Mutex
	queue  []command
	ended  bool
	wakeFD int
}

// command is something to do on the loop's thread.
type command func(now time.Time, e *engine.Engine)

// errEnded is what a command gets that came too late.
var errEnded = errors.New("vrrp: the loop has ended")

// New gives a loop that does nothing until Run.
func New(o Options) *Loop {
	l := &Loop{log: o.Log, holder: o.Holder, alive: o.Alive, rt: o.Realtime, sender: newSender(), wakeFD: -1}
	l.engine = engine.New(engine.Options{Ports: ports{l.sender, o}, Will: o.Will, Stamps: o.Stamps})
	l.links = newWatcher(o.Log, l.Do)
	l.links.ours = o.Ours
	return l
}

// ports is the engine's view of the world.
type ports struct {
	*sender
	o Options
}

func (p ports) Send(_ string, out engine.Outgoing) error { return p.send(out) }
func (p ports) Hold(instance string, active bool)        { p.o.Holder.Set(instance, active) }
func (p ports) Announce(instance string)                 { p.o.Holder.Announce(instance) }
func (p ports) AnnounceSource(s engine.OwnSource) {
	p.o.Holder.AnnounceSource(s.Interface, s.Address, s.MAC)
}
func (p ports) Event(e vrrp.Event) { p.o.Events(e) }

// Do queues a command for the loop's thread and returns at once. Commands run in
// order, after everything that has been received.
func (l *Loop) Do(f func(now time.Time, e *engine.Engine)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, f)
	l.wakeLocked()
}

// Call is Do that waits until the command has run.
func (l *Loop) Call(ctx context.Context, f func(now time.Time, e *engine.Engine)) error {
	done := make(chan struct{})
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return errEnded
	}
	l.queue = append(l.queue, func(now time.Time, e *engine.Engine) {
		defer close(done)
		f(now, e)
	})
	l.wakeLocked()
	l.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Apply makes d what runs. It looks at the interfaces first, so that a macvlan
// created a moment ago is known by the time the instance asks for it.
func (l *Loop) Apply(ctx context.Context, d vrrp.Desired) error {
	if err := l.links.refresh(); err != nil {
		return err
	}
	return l.Call(ctx, func(now time.Time, e *engine.Engine) { e.Apply(now, d) })
}

func (l *Loop) wakeLocked() {
	if l.wakeFD < 0 {
		return // Run looks at the queue before it first sleeps
	}
	one := [8]byte{1}
	if _, err := unix.Write(l.wakeFD, one[:]); err != nil && !errors.Is(err, unix.EAGAIN) {
		l.log.Error("vrrp: wake the loop", "error", err)
	}
}

// Run runs the loop until ctx ends; then every instance resigns and drops its
// addresses. It returns an error only where it could not start.
func (l *Loop) Run(ctx context.Context) error {
	if err := l.open(); err != nil {
		return err
	}
	defer l.close()
	watching, stopWatch := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stopWatch()
	if err := l.links.refresh(); err != nil {
		return err
	}
	wg.Go(func() { l.links.run(watching) })
	// A context cannot be waited for in ppoll: its end comes as a command.
	defer context.AfterFunc(ctx, func() { l.Do(func(time.Time, *engine.Engine) {}) })()

	if l.rt {
		realtime(l.log)
	}
	wakeups, err := Wakeups()
	if err != nil {
		return err
	}
	l.guardWakeup = wakeups[1]
	done := make(chan struct{})
	wg.Go(func() {
		defer close(done)
		wakeups[0].Own()
		l.loop(ctx)
	})
	wg.Go(func() {
		wakeups[1].Own()
		l.guard(ctx, l.guardWakeup)
	})
	<-done
	l.guardWakeup.Wake()
	wg.Wait()
	return errors.Join(wakeups[0].Close(), wakeups[1].Close())
}

func (l *Loop) open() error {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("vrrp: create an eventfd: %w", err)
	}
	if err := l.sender.open(); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wakeFD = fd
	return nil
}

// close ends the queue: what is in it still runs, so that nobody waits for ever.
func (l *Loop) close() {
	l.mu.Lock()
	fd := l.wakeFD
	l.wakeFD, l.ended = -1, true
	l.mu.Unlock()
	l.stepping.Lock()
	defer l.stepping.Unlock()
	l.runCommands()
	l.sender.close()
	_ = unix.Close(fd)
}

// loop is the first thread's life.
func (l *Loop) loop(ctx context.Context) {
	var warned time.Time // the deadline that the holder has been told of
	for ctx.Err() == nil {
		at, armed, urgent := l.step()
		l.listeners.wait(l.wakeFD, at, armed, urgent)
		if urgent && time.Until(at) <= early {
			if !warned.Equal(at) {
				warned = at
				l.holder.Soon()
			}
			for time.Until(at) > 0 && !l.listeners.pending() {
				continue
			}
		}
	}
	l.step()
	l.stepping.Lock()
	defer l.stepping.Unlock()
	l.engine.Shutdown(time.Now())
	l.listeners.close()
}

// step does everything that there is to do at this moment, and gives the next
// deadline, and whether it is worth spinning for.
func (l *Loop) step() (at time.Time, armed, urgent bool) {
	l.stepping.Lock()
	defer l.stepping.Unlock()
	if l.alive != nil {
		l.alive()
	}
	l.listeners.drain(l.engine)
	l.engine.Expire(time.Now())
	if l.runCommands() {
		l.listeners.adapt(l.engine, l.sender, l.log)
	}
	at, armed = l.engine.Deadline()
	l.guardNearer(at, armed)
	return at, armed, armed && l.engine.Urgent(at)
}

// runCommands runs all queued commands and says whether there were any. The caller
// has its turn.
func (l *Loop) runCommands() bool {
	l.mu.Lock()
	queue := l.queue
	l.queue = nil
	if l.wakeFD >= 0 {
		var counter [8]byte
		_, _ = unix.Read(l.wakeFD, counter[:])
	}
	l.mu.Unlock()
	for _, f := range queue {
		f(time.Now(), l.engine)
	}
	return len(queue) > 0
}
