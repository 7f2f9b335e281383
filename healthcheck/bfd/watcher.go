package bfd

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"usher/healthcheck/internal/timers"
	"usher/vrrp/timespan"
)

// patience is how long a new session may take to come up before it is reported down.
const patience = 5 * time.Second

// watcher is one who wants to know of a neighbour.
type watcher struct {
	id       uint64
	peer     Peer
	session  *session
	begun    time.Time
	reported bool
	told     State
	report   func(Change)
}

// session is with a neighbour, for all who watch it: between two systems there is one
// session on a path, whatever it is for (RFC 5881 section 2), and a neighbour tells two
// of them apart by nothing but addresses and interface.
type session struct {
	Session
	peer     Peer // with the timers of all its watchers
	watchers []*watcher
	timer    timers.Timer[*session]
	wire     *wire // nil while it cannot be opened
}

// Watch begins to watch a neighbour under a number of the caller's. Who watches the same
// one has the same session, with the fastest timers of all. report is called at each
// change of Up and not Up, in order; it must not block or call the engine. With a number
// that is in use it takes the place of what was watched, and where only timers differ the
// session goes on: the neighbour is told of them in a poll sequence.
func (e *Engine) Watch(id uint64, p Peer, report func(Change)) {
	if p.Multiplier == 0 {
		p.Multiplier = 3
	}
	if zone := p.Address.Zone(); zone != "" {
		if p.Interface == "" {
			p.Interface = zone
		}
		p.Address = p.Address.WithZone("")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	w := &watcher{id: id, peer: p, begun: now, report: report}
	if old := e.watchers[id]; old != nil {
		if s := old.session; s.peer.reaches(p) {
			// First in, then out: the session is never without a watcher.
			w.begun, w.reported, w.told = old.begun, old.reported, old.told
			e.leave(now, old, e.join(now, w, s))
			return
		}
		e.leave(now, old, nil)
	}
	for _, s := range e.sessions {
		if s.peer.reaches(p) {
			e.join(now, w, s)
			return
		}
	}
	e.begin(now, w)
}

// reaches says whether a session with p is with the same neighbour on the same path as
// one with o, as far as the two say: where one leaves the source or the interface to the
// routing table, it is that of the other.
func (p Peer) reaches(o Peer) bool {
	return p.Address == o.Address && p.Mark == o.Mark &&
		(p.Source == o.Source || !p.Source.IsValid() || !o.Source.IsValid()) &&
		(p.Interface == o.Interface || p.Interface == "" || o.Interface == "")
}

// begin begins a session.
func (e *Engine) begin(now time.Time, w *watcher) {
	number := rand.Uint32()
	for number == 0 || e.sessions[number] != nil {
		number = rand.Uint32()
	}
	s := &session{Session: NewSession(now, w.peer.Config, number), peer: w.peer, watchers: []*watcher{w}}
	s.timer.Value = s
	w.session = s
	e.watchers[w.id], e.sessions[number] = w, s
	e.queue.Set(&s.timer, now)
	e.rouse()
	select {
	case e.first <- struct{}{}:
	default:
	}
}

// join adds a watcher to a session.
func (e *Engine) join(now time.Time, w *watcher, s *session) *session {
	w.session = s
	s.watchers = append(s.watchers, w)
	e.watchers[w.id] = w
	e.retime(now, s)
	return s
}

// leave takes a watcher out. Its session ends with the last one, and the neighbour is
// told that it was meant. kept is the session that it goes on in under the same number.
func (e *Engine) leave(now time.Time, w *watcher, kept *session) {
	s := w.session
	s.watchers = slices.DeleteFunc(s.watchers, func(o *watcher) bool { return o == w })
	if kept == nil {
		delete(e.watchers, w.id)
	}
	if len(s.watchers) == 0 {
		e.end(s)
		return
	}
	e.retime(now, s)
}

// Forget ends what Watch began; the neighbour is told that it was meant.
func (e *Engine) Forget(id uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w := e.watchers[id]; w != nil {
		e.leave(time.Now(), w, nil)
	}
}

// farewells is how many packets say that a session was taken down on purpose: one may be
// lost, and the neighbour then takes it for a failure.
const farewells = 3

// end takes a session down.
func (e *Engine) end(s *session) {
	s.Session = s.Close()
	for range farewells {
		e.send(s, s.Packet())
	}
	s.wire.close()
	e.queue.Remove(&s.timer)
	delete(e.sessions, s.Discriminator())
}

// retime gives a session what its watchers want together: the shortest intervals, with
// the multiplier that belongs to them, and the source and the interface of who names them.
func (e *Engine) retime(now time.Time, s *session) {
	before := s.peer
	s.peer = s.watchers[0].peer
	for _, w := range s.watchers[1:] {
		s.peer = s.peer.with(w.peer)
	}
	if s.peer.Source != before.Source || s.peer.Interface != before.Interface {
		s.wire.close()
		s.wire = nil
	}
	s.Session = s.Reconfigure(now, s.peer.Config)
	e.queue.Set(&s.timer, now) // a new watcher hears how it stands
	e.rouse()
}

// with is one peer for two watchers of it.
func (p Peer) with(o Peer) Peer {
	if o.MinTX < p.MinTX || o.MinTX == p.MinTX && o.Multiplier > p.Multiplier {
		p.MinTX, p.Multiplier = o.MinTX, o.Multiplier
	}
	p.MinRX = min(p.MinRX, o.MinRX)
	p.Passive = p.Passive && o.Passive
	if !p.Source.IsValid() {
		p.Source = o.Source
	}
	if p.Interface == "" {
		p.Interface = o.Interface
	}
	return p
}

// settle arms a session's timer and tells its watchers of its change.
func (e *Engine) settle(now time.Time, s *session) {
	next := s.Next()
	up := s.State == Up
	for _, w := range s.watchers {
		switch wait := w.begun.Add(patience); {
		case w.reported && up == (w.told == Up):
		case !w.reported && !up && now.Before(wait):
			if next.IsZero() || wait.Before(next) {
				next = wait
			}
		default:
			w.reported, w.told = true, s.State
			w.report(Change{
				State: s.State, Reason: s.reason(e.fault), At: now,
				Fault: e.fault != nil && !up, Signalled: !up && s.Diagnostic == NeighbourDown, Administrative: s.byNeighbour(),
			})
		}
	}
	if next.IsZero() {
		e.queue.Remove(&s.timer)
		return
	}
	e.queue.Set(&s.timer, next)
}

// byNeighbour says that the neighbour took the session down by administration.
func (s *session) byNeighbour() bool {
	return s.State != Up && s.Diagnostic == NeighbourDown && s.Remote == AdminDown
}

// reason says in words why a session is as it is.
func (s *session) reason(fault error) string {
	switch {
	case s.State == Up:
		return fmt.Sprintf("the session with %s is up", s.peer.Address)
	case fault != nil:
		return fault.Error()
	case s.byNeighbour():
		return fmt.Sprintf("%s took the session down by administration", s.peer.Address)
	case s.Diagnostic == NeighbourDown && s.RemoteDiag != NoDiagnostic:
		return fmt.Sprintf("%s signalled down: %s", s.peer.Address, s.RemoteDiag)
	case s.Diagnostic != NoDiagnostic:
		return fmt.Sprintf("session with %s: %s", s.peer.Address, s.Diagnostic)
	}
	return fmt.Sprintf("the session with %s did not come up within %s: nothing is heard, or it does not hear us", s.peer.Address, timespan.Text(patience))
}

// on says whether a session is with a neighbour on an interface.
func (s *session) on(device int) bool {
	if s.peer.Interface == "" {
		return true
	}
	own, err := net.InterfaceByName(s.peer.Interface)
	return err == nil && own.Index == device
}
