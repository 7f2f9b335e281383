package vrrpproc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"usher/vrrp"
	"usher/vrrp/timespan"
	"usher/vrrp/track"
	"usher/vrrp/vip"
	"usher/vrrp/vip/rtnl"
)

// Pauses before a dead child is started again, and how long one has to live to
// be taken for a sound one. The first restart comes at once.
const (
	backoffFirst = 200 * time.Millisecond
	backoffMost  = 10 * time.Second
	soundAfter   = 30 * time.Second
)

// Bounds of what the parent waits for: an answer, and the end of a child that
// was told to stop, which hands over first (stopPatience).
const (
	answerWithin = 5 * time.Second
	statusWithin = time.Second
	stopWithin   = 10 * time.Second
)

// ErrNoChild says that there is no VRRP process at this moment.
var ErrNoChild = errors.New("vrrp: the VRRP process is not running")

// errOrphans says that there is none yet, and why.
var errOrphans = errors.New("vrrp: processes of a daemon before this one have not ended yet")

// Options are what a Parent needs.
type Options struct {
	Log *slog.Logger
	// Events takes what instances report, in order, one call at a time; it must
	// not block for long. Nil drops them.
	Events func(vrrp.Event)
	// Executable and Args start the child, which finds its end of the socket
	// pair at file descriptor 3; by default this program and "vrrp-child".
	Executable string
	Args       []string
	// GuardArgs start the guard, from the same file; none for no guard.
	GuardArgs []string
	// State is the state folder, whose VRRP processes of an earlier daemon have to be gone
	// before one is started; "" for none.
	State string
	// Run runs the programs of track_scripts, as track.Options say.
	Run func(ctx context.Context, args []string, user string) error
	// Kernel withdraws the addresses of a dead child; nil for this machine's.
	Kernel vip.Kernel
	// Secrets are the values that nothing shows at this moment, for the child's log; nil
	// for none.
	Secrets func() []string
	// Recover puts back the kernel settings that a dead child had changed, and
	// gives what it put back; nil where there are none.
	Recover func() ([]string, error)
	orphans time.Duration // how long those may take to end; 0 for orphansMost
	// Start replaces the start of a process, in tests and simulations.
	Start Starter
}

// Parent supervises the VRRP process. New makes it, Run runs it.
type Parent struct {
	o       Options
	tracker *track.Tracker

	mu          sync.Mutex
	desired     vrrp.Desired
	before      []vrrp.Config // instances of the configuration before, perhaps still held
	applied     bool
	maintenance bool
	tracks      map[trackOf]vrrp.Adjustment
	witnesses   map[string]bool
	child       *peer // nil while there is none
	absent      error // why there is none
	lock        *Lock
	active      map[string]bool
	resigned    map[string]time.Time // for what was active in a child that died, and when
}

type trackOf struct{ instance, key string }

// New returns a parent without a child.
func New(o Options) *Parent {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Events == nil {
		o.Events = func(vrrp.Event) {}
	}
	if o.Secrets == nil {
		o.Secrets = func() []string { return nil }
	}
	if o.Start == nil {
		o.Start = command(o)
	}
	p := &Parent{o: o, tracks: map[trackOf]vrrp.Adjustment{}, witnesses: map[string]bool{}, active: map[string]bool{}, absent: ErrNoChild}
	p.tracker = track.New(track.Options{Log: o.Log, Report: p.Track, Witness: p.Witness, Run: o.Run})
	return p
}

// Run keeps a child running until the context ends; then the child resigns and
// Run waits for its end. What a dead child held is withdrawn at once.
func (p *Parent) Run(ctx context.Context) error {
	if p.o.Kernel == nil {
		kernel, err := rtnl.Open()
		if err != nil {
			return err
		}
		defer func() { _ = kernel.Close() }()
		p.o.Kernel = kernel
		if p.o.State != "" {
			if err := kernel.RecallAdded(rtnl.AddedFile(p.o.State)); err != nil {
				return err
			}
		}
	}
	tracking, stopTracking := context.WithCancel(ctx)
	tracked := make(chan error, 1)
	go func() { tracked <- p.tracker.Run(tracking) }()
	p.await(ctx)
	err := p.supervise(ctx)
	stopTracking()
	err = errors.Join(err, p.lock.Close())
	return errors.Join(err, <-tracked)
}

// await waits until no process of an earlier daemon can advertise or hold anything.
func (p *Parent) await(ctx context.Context) {
	if p.o.State == "" {
		return
	}
	because := func(err error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.absent = err
	}
	because(errOrphans)
	defer because(ErrNoChild)
	lock, err := acquire(ctx, p.o.State, p.o.Log, cmp.Or(p.o.orphans, orphansMost))
	if err != nil && ctx.Err() == nil {
		// Without it a daemon that is killed and one that follows at once overlap for a
		// moment. To have none for want of it would be worse.
		p.o.Log.Error("vrrp: the VRRP process runs without its lock", "error", err)
	}
	p.lock = lock
}

// supervise starts a child again and again.
func (p *Parent) supervise(ctx context.Context) error {
	pause := time.Duration(0)
	for ctx.Err() == nil {
		started := time.Now()
		err := p.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(started) > soundAfter {
			pause = 0
		}
		p.o.Log.Error("vrrp: the VRRP process died; its addresses are withdrawn, it is started again", "error", err, "in", pause)
		when := "at once"
		if pause > 0 {
			when = "in " + timespan.Text(pause)
		}
		p.event(fmt.Sprintf("the VRRP process died (%v) and is started again %s", err, when))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(max(backoffFirst, 2*pause), backoffMost)
	}
	return nil
}

// once runs one child from start to end.
func (p *Parent) once(ctx context.Context) error {
	proc, err := p.o.Start(p.lock)
	if err != nil {
		p.withdraw(context.WithoutCancel(ctx))
		return fmt.Errorf("vrrp: start the VRRP process: %w", err)
	}
	c := newPeer(proc, p.heard, p.stopPatience)
	p.mu.Lock()
	p.child = c
	p.replay(c)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.child = nil
	}()
	watching, endWatch := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer endWatch()
	wg.Go(func() {
		c.watch(watching, func() { p.o.Log.Error("vrrp: the VRRP process answers no more and is killed") })
	})
	err = c.run(ctx)
	p.bury(proc.Idle)
	p.withdraw(context.WithoutCancel(ctx))
	if proc.Release != nil {
		proc.Release()
	}
	return err
}

// stopPatience is how long a child that is told to stop may take: its peers succeed it
// within Skew_Time, which can be tens of seconds.
func (p *Parent) stopPatience() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	longest := time.Duration(0)
	for _, cfg := range p.desired.Instances {
		longest = max(longest, cfg.LongestSkew())
	}
	return longest + stopWithin
}

// replay gives a new child all that is known; p is locked.
func (p *Parent) replay(c *peer) {
	if p.maintenance {
		c.send(message{Maintenance: &p.maintenance})
	}
	if p.applied {
		d := p.desired
		d.Resigned = p.resigned
		c.send(message{Apply: &d, Secrets: p.o.Secrets()})
	}
	p.resigned = nil
	p.replayTracks(c)
}

// replayTracks gives the child every known adjustment; p is locked.
func (p *Parent) replayTracks(c *peer) {
	for of, a := range p.tracks {
		c.send(message{Track: &trackResult{of.instance, of.key, a}})
	}
	for name, ok := range p.witnesses {
		c.send(message{Witness: &witnessed{name, ok}})
	}
}

// withdraw removes what a child that is gone may have left.
func (p *Parent) withdraw(ctx context.Context) {
	p.mu.Lock()
	all := slices.Concat(p.desired.Instances, p.before)
	p.mu.Unlock()
	removed, err := vip.Withdraw(ctx, p.o.Kernel, all)
	for _, o := range removed {
		p.o.Log.Warn("vrrp: withdrew an address of the VRRP process that is gone", "object", o.String())
	}
	if err != nil {
		p.o.Log.Error("vrrp: withdraw addresses", "error", err)
	}
	recoverSettings(p.o.Log, p.o.Recover)
}

// Apply makes d the configuration. Without a running child it is kept for the
// next one. The error says what the child could not do.
func (p *Parent) Apply(d vrrp.Desired) error {
	p.mu.Lock()
	p.before = p.desired.Instances
	p.desired, p.applied = d, true
	c := p.child
	p.forget()
	p.mu.Unlock()
	// First, so that what is known of tracks is what it means by their new settings.
	p.tracker.Apply(d.Instances)
	if c == nil {
		return nil
	}
	_, err := c.ask(message{Apply: &d, Secrets: p.o.Secrets()}, answerWithin)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil && p.child == c {
		p.replayTracks(c)
	}
	return err
}

// forget drops what is known of tracks that are not in the configuration any
// more; p is locked.
func (p *Parent) forget() {
	known, witnessed := map[trackOf]bool{}, map[string]bool{}
	for _, c := range p.desired.Instances {
		for _, t := range c.Track {
			known[trackOf{c.Name, t.Key()}] = true
		}
		witnessed[c.Name] = c.Witness != nil
	}
	maps.DeleteFunc(p.tracks, func(of trackOf, _ vrrp.Adjustment) bool { return !known[of] })
	maps.DeleteFunc(p.witnesses, func(name string, _ bool) bool { return !witnessed[name] })
}

// heard takes an event of the child.
func (p *Parent) heard(e vrrp.Event) {
	if e.Kind == vrrp.EventState && e.Instance != "" {
		p.mu.Lock()
		p.active[e.Instance] = e.To == vrrp.Active
		p.mu.Unlock()
	}
	p.o.Events(e)
}

// bury notes what was active in a child that is gone, for the next one to resume. Where
// it had been idle for so long before that a peer can have taken over, it was not.
func (p *Parent) bury(idle func() time.Duration) {
	age := time.Duration(0)
	if idle != nil {
		age = idle()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.resigned = map[string]time.Time{}
	for _, c := range p.desired.Instances {
		// The last advert can be an interval older than the last sign of life.
		if p.active[c.Name] && age < time.Duration(c.DownAdverts-1)*c.Interval {
			p.resigned[c.Name] = now
		}
	}
	clear(p.active)
}

func (p *Parent) event(reason string) {
	p.o.Events(vrrp.Event{Time: time.Now(), Kind: vrrp.EventProcess, Reason: reason})
}
