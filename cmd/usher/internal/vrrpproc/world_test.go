package vrrpproc

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/vrrp"
	"usher/vrrp/engine"
	"usher/vrrp/packet"
	"usher/vrrp/vip"
	"usher/vrrp/vip/viptest"
)

// loop runs an engine in virtual time, alone on its network.
type loop struct {
	m      *vip.Manager
	events func(vrrp.Event)
	queue  chan func(time.Time, *engine.Engine)
	sent   chan uint8 // priorities of all adverts
	refuse func() error
}

func (l *loop) Send(_ string, out engine.Outgoing) error {
	l.sent <- out.Payload[2]
	return nil
}
func (l *loop) Hold(name string, active bool) { l.m.Set(name, active) }
func (l *loop) Announce(name string)          { l.m.Announce(name) }
func (l *loop) AnnounceSource(s engine.OwnSource) {
	l.m.AnnounceSource(s.Interface, s.Address, s.MAC)
}
func (l *loop) Event(e vrrp.Event) { l.events(e) }

func (l *loop) Do(f func(time.Time, *engine.Engine)) { l.queue <- f }

func (l *loop) Call(ctx context.Context, f func(time.Time, *engine.Engine)) error {
	done := make(chan struct{})
	l.Do(func(now time.Time, e *engine.Engine) {
		defer close(done)
		f(now, e)
	})
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *loop) Apply(ctx context.Context, d vrrp.Desired) error {
	if err := l.refuse(); err != nil {
		return err
	}
	return l.Call(ctx, func(now time.Time, e *engine.Engine) { e.Apply(now, d) })
}

func (l *loop) Run(ctx context.Context) error {
	e := engine.New(engine.Options{Ports: l})
	e.Link(time.Now(), engine.Link{Name: "eth0", Index: 2, Up: true, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.11")}})
	for {
		timer := make(<-chan time.Time)
		if at, ok := e.Deadline(); ok {
			timer = time.After(time.Until(at))
		}
		select {
		case <-ctx.Done():
			e.Shutdown(time.Now())
			return nil
		case f := <-l.queue:
			f(time.Now(), e)
		case <-timer:
			e.Expire(time.Now())
		}
	}
}

// starter starts a child in a world with this kernel.
type starter func(k *viptest.Kernel) (Process, error)

// world is a parent whose children run in the same bubble.
type world struct {
	*Parent
	kernel *viptest.Kernel
	sent   chan uint8
	events chan vrrp.Event
	starts []starter // used up first; then sound children are started
	stop   func()
	log    *slog.Logger  // of the children
	hidden chan []string // what the children are told to conceal

	mu    sync.Mutex
	begun int
	wrong []error    // what the loops' next calls of Apply say; used up
	conns []net.Conn // the children's ends
	loop  *loop      // of the last sound child
	kills []time.Time
}

func newWorld(t *testing.T, starts ...starter) *world {
	t.Helper()
	w := &world{log: slog.New(slog.DiscardHandler), kernel: &viptest.Kernel{}, sent: make(chan uint8, 10_000), events: make(chan vrrp.Event, 10_000), hidden: make(chan []string, 100), starts: starts}
	w.kernel.AddLink("eth0")
	w.Parent = New(Options{Events: func(e vrrp.Event) { w.events <- e }, Kernel: w.kernel, Start: func(*Lock) (Process, error) { return w.start() },
		Secrets: func() []string { return []string{"canary"} }})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(w.stop)
	synctest.Wait()
	return w
}

func (w *world) start() (Process, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun++
	if len(w.starts) >= w.begun {
		return w.starts[w.begun-1](w.kernel)
	}
	ours, theirs := net.Pipe()
	w.conns = append(w.conns, theirs)
	done := make(chan error, 1)
	go func() {
		defer func() { _ = theirs.Close() }()
		done <- RunChild(context.Background(), theirs, ChildOptions{
			Log: w.log, Kernel: w.kernel, Conceal: func(values []string) { w.hidden <- values },
			Loop: func(m *vip.Manager, events func(vrrp.Event), _ func(string, []engine.Outgoing)) Loop {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.loop = &loop{m: m, events: events, queue: make(chan func(time.Time, *engine.Engine), 100), sent: w.sent, refuse: w.refusal}
				return w.loop
			},
		})
	}()
	kill := func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.kills = append(w.kills, time.Now())
		_ = ours.Close()
	}
	return Process{Conn: ours, Wait: func() error { return <-done }, Kill: kill}, nil
}

// refusal is what a loop's Apply says this time.
func (w *world) refusal() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.wrong) == 0 {
		return nil
	}
	err := w.wrong[0]
	w.wrong = w.wrong[1:]
	return err
}

// hang is a child that reads and never answers, until it is killed.
func hang(*viptest.Kernel) (Process, error) {
	ours, theirs := net.Pipe()
	done, kill := make(chan error, 1), make(chan struct{})
	go func() {
		<-kill
		_ = theirs.Close()
		done <- errors.New("signal: killed")
	}()
	go func() {
		b := make([]byte, 1000)
		for {
			if _, err := theirs.Read(b); err != nil {
				return
			}
		}
	}()
	return Process{Conn: ours, Wait: func() error { return <-done }, Kill: sync.OnceFunc(func() { close(kill) })}, nil
}

// crash is a child that lives for some time and leaves objects behind.
func crash(after time.Duration, leave ...vip.Object) starter {
	return func(k *viptest.Kernel) (Process, error) {
		ours, theirs := net.Pipe()
		done := make(chan error, 1)
		go func() {
			go func() {
				b := make([]byte, 1000)
				for {
					if _, err := theirs.Read(b); err != nil {
						return
					}
				}
			}()
			<-time.After(after)
			for _, o := range leave {
				if err := k.Add(o); err != nil {
					panic(err)
				}
			}
			<-time.After(time.Second)
			_ = theirs.Close()
			done <- errors.New("signal: killed")
		}()
		return Process{Conn: ours, Wait: func() error { return <-done }, Kill: func() {}}, nil
	}
}

var virtualAddress = netip.MustParseAddr("192.0.2.1")

func desired(names ...string) (d vrrp.Desired) {
	for i, name := range names {
		d.Instances = append(d.Instances, vrrp.Config{
			Name: name, Interface: "eth0", VRID: uint8(i + 1), Priority: 100, Version: 3, Interval: time.Second, DownAdverts: 3,
			Addresses: []vrrp.Address{{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 32)}},
			Lease:     2 * time.Second, Preempt: true, Accept: true, Announce: vrrp.Announce{Repeat: 1},
			Track: []vrrp.Track{{Kind: vrrp.TrackVirtualServer, Name: "s", Initial: "up"}},
		})
	}
	return d
}

func (w *world) state(name string) vrrp.State {
	for _, s := range w.Status() {
		if s.Name == name {
			return s.State
		}
	}
	return vrrp.Initialize
}

// hear gives the child an advert of a peer's for an instance.
func (w *world) hear(t *testing.T, c vrrp.Config, priority uint8) {
	t.Helper()
	w.mu.Lock()
	l := w.loop
	w.mu.Unlock()
	msg := engine.Incoming{Index: 2, Source: netip.MustParseAddr("192.0.2.12"), Destination: c.Group(false), TTL: 255}
	a := packet.Advert{Version: c.Version, VRID: c.VRID, Priority: priority, Interval: c.Interval, Addresses: c.Advertised(false)}
	msg.Payload = packet.Append(nil, a, msg.Source, msg.Destination, packet.FormPseudoHeader)
	l.Do(func(now time.Time, e *engine.Engine) { e.Receive(now, msg) })
	synctest.Wait()
}

// pass lets virtual time go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
