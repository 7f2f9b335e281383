package bfd

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"usher/healthcheck/internal/timers"
)

// Peer is a neighbour and how to reach it.
type Peer struct {
	Address   netip.Addr
	Source    netip.Addr // ours; invalid for what the routing table chooses
	Interface string     // "" for any; the zone of a link-local Address stands in for it
	Mark      uint32     // SO_MARK; 0 for none
	Config
}

// Change is a session's new state.
type Change struct {
	State  State
	Reason string // for people
	Fault  bool   // this machine cannot receive; it says nothing of the neighbour
	// Signalled: the neighbour itself says that it is down, and so is there. It does that
	// where it does not hear us, and where it ends a session or begins another one for
	// reasons of its own (FRR does when a BGP session with BFD is established).
	Signalled bool
	// Administrative: the neighbour has taken the session down on purpose. Who knows by
	// other means that it lives takes that for no failure (RFC 5882 section 3.2).
	Administrative bool
	At             time.Time
}

// Engine runs sessions.
type Engine struct {
	log   *slog.Logger
	wake  chan struct{} // the earliest timer has changed
	first chan struct{} // there is a session

	mu        sync.Mutex
	watchers  map[uint64]*watcher
	sessions  map[uint32]*session // by our discriminator
	queue     timers.Queue[*session]
	fault     error // why nothing can be received
	receivers []*receiver
}

// New makes an engine. It opens nothing before Run.
func New(log *slog.Logger) *Engine {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Engine{
		log: log, wake: make(chan struct{}, 1), first: make(chan struct{}, 1),
		watchers: make(map[uint64]*watcher), sessions: make(map[uint32]*session),
	}
}

func (e *Engine) rouse() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Run serves the sessions until ctx ends, and then takes them down.
func (e *Engine) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		e.loop(ctx)
		return nil
	})
	g.Go(func() error {
		e.hear(ctx)
		return nil
	})
	err := g.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.sessions {
		e.end(s)
	}
	clear(e.watchers)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (e *Engine) loop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-e.wake:
		}
		timer.Reset(e.expire(time.Now()))
	}
}

// expire does what is due and says how long there is nothing to do. A neighbour is not
// taken for gone while packets of its own wait in the queue: where this process did not
// get to run for a while, everything is due at once, and the packets have come in time.
func (e *Engine) expire(now time.Time) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if t := e.queue.First(); t != nil && !t.At.After(now) {
		e.drain(now)
	}
	for t := e.queue.First(); t != nil && !t.At.After(now); t = e.queue.First() {
		s := t.Value
		var send bool
		if s.Session, send = s.Expire(now, rand.Float64()); send {
			e.send(s, s.Packet())
		}
		e.settle(now, s)
	}
	if t := e.queue.First(); t != nil {
		return t.At.Sub(now)
	}
	return time.Hour
}

// hears takes in whether anything can be received: nil, or why not. What was told of
// sessions while nothing could says nothing of the neighbours, so those that are not up
// have the time of a new session once something can.
func (e *Engine) hears(now time.Time, fault error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	over := e.fault != nil && fault == nil
	e.fault = fault
	if !over {
		return
	}
	for _, s := range e.sessions {
		if s.State != Up {
			for _, w := range s.watchers {
				w.reported, w.begun = false, now
			}
			e.settle(now, s)
		}
	}
	e.rouse()
}

// send puts a packet on the wire. A failure shows at the neighbour, and is told
// once for each session.
func (e *Engine) send(s *session, p Packet) {
	s.Session = s.Sent()
	if s.wire == nil {
		w, err := openWire(s.peer)
		if err != nil {
			e.log.Debug("bfd: no socket", "peer", s.peer.Address, "error", err)
			return
		}
		s.wire = w
	}
	if err := s.wire.send(p); err != nil {
		e.log.Debug("bfd: send", "peer", s.peer.Address, "error", err)
		if homeless(err) {
			s.wire.close()
			s.wire = nil
		}
	}
}

// homeless says that a socket's interface or address is gone. Both may come back,
// and then only a new socket has them.
func homeless(err error) bool {
	for _, e := range []unix.Errno{unix.ENODEV, unix.ENXIO, unix.ENETUNREACH, unix.EADDRNOTAVAIL, unix.EINVAL} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// arrival is a packet as the kernel gives it.
type arrival struct {
	from, to netip.Addr // to is ours
	device   int        // index of the interface that it came in by
	ttl      int        // or hop limit
}

// receive takes a packet from the wire, under the lock. TTL or hop limit must be 255: the
// neighbour is one hop away (RFC 5881 section 5).
func (e *Engine) receive(now time.Time, a arrival, b []byte) {
	if a.ttl != 255 {
		return
	}
	p, err := Parse(b)
	if err != nil {
		e.log.Debug("bfd: packet discarded", "from", a.from, "error", err)
		return
	}
	s := e.find(a, p)
	if s == nil {
		return
	}
	var final bool
	if s.Session, final = s.Session.Receive(now, p); final {
		answer := s.Packet()
		answer.Poll, answer.Final = false, true
		e.send(s, answer)
	}
	e.settle(now, s)
	if t := e.queue.First(); t == &s.timer {
		e.rouse()
	}
}

// find is the session that a packet is for (RFC 5880 section 6.8.6): by our number, or by
// the addresses and the interface while the neighbour does not know that. A link-local
// address may be that of several neighbours, one on each interface, and a neighbour may
// have a session with each of our addresses.
func (e *Engine) find(a arrival, p Packet) *session {
	if p.Yours != 0 {
		return e.sessions[p.Yours]
	}
	for _, s := range e.sessions {
		ours := !s.peer.Source.IsValid() || s.peer.Source.WithZone("") == a.to
		if s.peer.Address == a.from.WithZone("") && ours && s.on(a.device) {
			return s
		}
	}
	return nil
}
