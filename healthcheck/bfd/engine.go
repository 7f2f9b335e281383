package bfd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"usher/healthcheck/internal/timers"
	"usher/vrrp/timespan"
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
	At     time.Time
}

// patience is how long a new session may take to come up before it is reported down.
const patience = 5 * time.Second

// Engine runs sessions.
type Engine struct {
	log   *slog.Logger
	wake  chan struct{} // the earliest timer has changed
	first chan struct{} // there is a session

	mu       sync.Mutex
	byID     map[uint64]*session
	byNumber map[uint32]*session
	queue    timers.Queue[*session]
	fault    error // why nothing can be received
}

type session struct {
	Session
	id       uint64
	peer     Peer
	timer    timers.Timer[*session]
	wire     *wire // nil while it cannot be opened
	begun    time.Time
	reported bool
	told     State
	report   func(Change)
}

// New makes an engine. It opens nothing before Run.
func New(log *slog.Logger) *Engine {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Engine{
		log: log, wake: make(chan struct{}, 1), first: make(chan struct{}, 1),
		byID: make(map[uint64]*session), byNumber: make(map[uint32]*session),
	}
}

// Watch begins a session under a number of the caller's. report is called at each
// change of Up and not Up, in order; it must not block or call the engine.
func (e *Engine) Watch(id uint64, p Peer, report func(Change)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.byID[id] != nil {
		return
	}
	if p.Multiplier == 0 {
		p.Multiplier = 3
	}
	if zone := p.Address.Zone(); zone != "" {
		if p.Interface == "" {
			p.Interface = zone
		}
		p.Address = p.Address.WithZone("")
	}
	now := time.Now()
	number := rand.Uint32()
	for number == 0 || e.byNumber[number] != nil {
		number = rand.Uint32()
	}
	s := &session{Session: NewSession(now, p.Config, number), id: id, peer: p, begun: now, report: report}
	s.timer.Value = s
	e.byID[id], e.byNumber[number] = s, s
	e.queue.Set(&s.timer, now)
	e.rouse()
	select {
	case e.first <- struct{}{}:
	default:
	}
}

// Forget ends a session; the neighbour is told that it was meant.
func (e *Engine) Forget(id uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.byID[id]; s != nil {
		e.drop(s)
	}
}

func (e *Engine) drop(s *session) {
	s.Session = s.Close()
	e.send(s, s.Packet())
	s.wire.close()
	e.queue.Remove(&s.timer)
	delete(e.byID, s.id)
	delete(e.byNumber, s.Discriminator())
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
	for _, s := range e.byID {
		e.drop(s)
	}
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

// expire does what is due and says how long there is nothing to do.
func (e *Engine) expire(now time.Time) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
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

// settle arms a session's timer and tells of its change.
func (e *Engine) settle(now time.Time, s *session) {
	next := s.Next()
	if !s.reported {
		if wait := s.begun.Add(patience); next.IsZero() || wait.Before(next) {
			next = wait
		}
	}
	up := s.State == Up
	switch {
	case s.reported && up == (s.told == Up):
	case !s.reported && !up && now.Sub(s.begun) < patience:
	default:
		s.reported, s.told = true, s.State
		s.report(Change{State: s.State, Reason: s.reason(e.fault), Fault: e.fault != nil && !up, At: now})
		next = s.Next()
	}
	if next.IsZero() {
		e.queue.Remove(&s.timer)
		return
	}
	e.queue.Set(&s.timer, next)
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
	for _, s := range e.byID {
		if s.State != Up {
			s.reported, s.begun = false, now
			e.settle(now, s)
		}
	}
	e.rouse()
}

// reason says in words why a session is as it is.
func (s *session) reason(fault error) string {
	switch {
	case s.State == Up:
		return fmt.Sprintf("the session with %s is up", s.peer.Address)
	case fault != nil:
		return fault.Error()
	case s.Diagnostic == NeighbourDown && s.Remote == AdminDown:
		return fmt.Sprintf("%s took the session down by administration", s.peer.Address)
	case s.Diagnostic == NeighbourDown && s.RemoteDiag != NoDiagnostic:
		return fmt.Sprintf("%s signalled down: %s", s.peer.Address, s.RemoteDiag)
	case s.Diagnostic != NoDiagnostic:
		return fmt.Sprintf("session with %s: %s", s.peer.Address, s.Diagnostic)
	}
	return fmt.Sprintf("the session with %s did not come up within %s: nothing is heard, or it does not hear us", s.peer.Address, timespan.Text(patience))
}

// send puts a packet on the wire. A failure shows at the neighbour, and is told
// once for each session.
func (e *Engine) send(s *session, p Packet) {
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

// receive takes a packet from the wire. TTL or hop limit must be 255: the neighbour
// is one hop away (RFC 5881 section 5). device is the index of the interface that
// it came in by.
func (e *Engine) receive(now time.Time, from netip.Addr, device, ttl int, b []byte) {
	if ttl != 255 {
		return
	}
	p, err := Parse(b)
	if err != nil {
		e.log.Debug("bfd: packet discarded", "from", from, "error", err)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.find(from, device, p)
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

// find is the session that a packet is for (section 6.8.6): by our number, or by
// the neighbour's address while it does not know that. A link-local address may be
// that of several neighbours, one on each interface.
func (e *Engine) find(from netip.Addr, device int, p Packet) *session {
	if p.Yours != 0 {
		return e.byNumber[p.Yours]
	}
	for _, s := range e.byID {
		if s.peer.Address == from.WithZone("") && s.on(device) {
			return s
		}
	}
	return nil
}

// on says whether a session is with a neighbour on an interface.
func (s *session) on(device int) bool {
	if s.peer.Interface == "" {
		return true
	}
	own, err := net.InterfaceByName(s.peer.Interface)
	return err == nil && own.Index == device
}
