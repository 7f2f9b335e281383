package bgp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"usher/director/announce"
)

// ErrNotRunning says that there is no speaker at this moment, or none yet: Run does not
// run, or Configure was not called.
var ErrNotRunning = errors.New("bgp: the speaker does not run")

// Options are what a Speaker works with; all may be zero.
type Options struct {
	Log *slog.Logger
	// BFD watches the peers that want it; nil for none.
	BFD BFD
	// Started is called whenever Run is ready to take Configure, Announce and Withdraw. What
	// was announced before is gone.
	Started func()
	// Changed is called at each change of a session, in order for each peer. It does not
	// block, and does not call the Speaker.
	Changed func(announce.Session)
}

// BFD runs sessions of RFC 5880 with peers.
type BFD interface {
	// Watch begins the session with a peer, or gives the one that there is other settings.
	// report is called at each change, in order.
	Watch(p announce.Peer, report func(Detection))
	Forget(peer netip.Addr)
}

// Detection is what BFD says of a peer.
type Detection struct {
	Up bool
	// Unknown: not up, and that says nothing of the peer, which has taken its session down
	// on purpose (RFC 5882 section 3.2), or cannot be heard for a reason of this machine's.
	Unknown bool
	// Signalled: the peer says so itself, and so is there. Where it has BFD for its BGP it
	// ends that session itself; where it began another session of BFD, it does not.
	Signalled bool
	Reason    string // for people
}

// Speaker announces paths to peers. Configure, Announce and Withdraw may be called by any
// goroutine, and are carried out one at a time.
type Speaker struct {
	o   Options
	log *slog.Logger

	calls sync.Mutex // held by whoever changes peers or paths

	mu       sync.Mutex
	local    announce.Local
	peers    []announce.Peer
	server   *instance // nil while Run does not run
	sessions map[netip.Addr]*session
	left     map[netip.Addr]*session // peers no more, which BFD may watch yet
	news     []announce.Session      // for Changed, in order

	telling  sync.Mutex // held while Changed is called
	watching sync.Mutex // held while BFD is called
	resets   chan netip.Addr
	pulse    chan struct{} // something has changed
	lost     chan error
}

// maxResets is how many sessions may have been found dead and not be reset yet: more than
// anybody has peers.
const maxResets = 1024

// New makes a Speaker. Nothing runs before Run.
func New(o Options) *Speaker {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Started == nil {
		o.Started = func() {}
	}
	if o.Changed == nil {
		o.Changed = func(announce.Session) {}
	}
	return &Speaker{o: o, log: o.Log, sessions: map[netip.Addr]*session{}, left: map[netip.Addr]*session{}, resets: make(chan netip.Addr, maxResets), pulse: make(chan struct{}, 1)}
}

// refresh is how often the counters of the sessions are read, which also finds a server
// that does not answer any more.
const refresh = 5 * time.Second

// Run speaks until ctx ends: then every session is closed with Cease, Administrative
// Shutdown, and it returns nil. Any other end is an error that says what became of the
// server; its sessions are closed then, too, and Run can be called again.
func (s *Speaker) Run(ctx context.Context) error {
	lost := make(chan error, 1)
	s.calls.Lock()
	s.mu.Lock()
	if s.server != nil {
		s.mu.Unlock()
		s.calls.Unlock()
		return errors.New("bgp: the speaker runs already")
	}
	s.lost = lost
	s.server = s.newInstance(lost)
	local := s.local
	s.mu.Unlock()
	var err error
	if local.ASN != 0 {
		err = s.apply()
	}
	s.calls.Unlock()
	if err != nil {
		s.log.Warn("bgp: not every peer is there", "error", err)
	}
	defer s.end()
	s.o.Started()
	ticker := time.NewTicker(refresh)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			s.farewell()
			return nil
		case err := <-lost:
			return fmt.Errorf("bgp: the speaker is lost: %w", err)
		case peer := <-s.resets:
			s.reset(peer)
		case <-ticker.C:
			s.look()
		}
	}
}

// end closes what is left of the server, and tells of its sessions.
func (s *Speaker) end() {
	s.calls.Lock()
	defer s.calls.Unlock()
	s.mu.Lock()
	server := s.server
	s.server = nil
	s.mu.Unlock()
	server.stop()
	s.update(func() {
		for _, ses := range s.sessions {
			ses.stopped("the speaker does not run")
			ses.there = false
		}
	})
	// After the sessions: a router that lost BFD first would call it a failure.
	s.watchAll()
}

// Configure makes these the peers, and returns when they are, before any session is up.
// Sessions with peers that have not changed are left alone, unless local is another one:
// that is another speaker, and what was announced is to be announced again. Before Run it
// holds from its start. An error says what could not be done with which peer; the others
// are done.
func (s *Speaker) Configure(local announce.Local, peers []announce.Peer) error {
	s.calls.Lock()
	defer s.calls.Unlock()
	s.mu.Lock()
	s.local, s.peers = local, slices.Clone(peers)
	running := s.server != nil
	s.mu.Unlock()
	if !running {
		return nil
	}
	return s.apply()
}

// Announce puts a path into the table for all peers, in place of another one of its
// prefix. It returns when the table has it: messages to established peers are queued then.
func (s *Speaker) Announce(p announce.Path) error {
	s.calls.Lock()
	defer s.calls.Unlock()
	server, err := s.speaking()
	if err != nil {
		return err
	}
	return server.announce(p)
}

// Withdraw takes a prefix out of the table. One that is not there is no error.
func (s *Speaker) Withdraw(p netip.Prefix) error {
	s.calls.Lock()
	defer s.calls.Unlock()
	server, err := s.speaking()
	if err != nil {
		return err
	}
	return server.withdraw(p)
}

// speaking is the server, once it is started.
func (s *Speaker) speaking() (*instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil || s.server.local.ASN == 0 {
		return nil, ErrNotRunning
	}
	return s.server, nil
}

// Sessions are the peers as they stand, in the order of Configure.
func (s *Speaker) Sessions() []announce.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]announce.Session, 0, len(s.peers))
	for _, p := range s.peers {
		if ses := s.sessions[p.Address]; ses != nil {
			all = append(all, ses.Session)
			continue
		}
		all = append(all, announce.Session{Peer: p.Address, ASN: p.ASN, State: announce.Idle, Reason: "the speaker does not run yet"})
	}
	return all
}

// update changes sessions, under the lock, and tells of those that are different after it.
func (s *Speaker) update(change func()) {
	s.mu.Lock()
	change()
	for _, ses := range s.sessions {
		if ses.settle() {
			s.news = append(s.news, ses.Session)
		}
	}
	// What one call tells of is in the order of the peers' addresses, not of a map.
	slices.SortStableFunc(s.news, func(a, b announce.Session) int { return a.Peer.Compare(b.Peer) })
	s.mu.Unlock()
	select {
	case s.pulse <- struct{}{}:
	default:
	}
	s.tell()
}

// tell hands out the news, one caller at a time.
func (s *Speaker) tell() {
	s.telling.Lock()
	defer s.telling.Unlock()
	for {
		s.mu.Lock()
		news := s.news
		s.news = nil
		s.mu.Unlock()
		if len(news) == 0 {
			return
		}
		for _, n := range news {
			s.o.Changed(n)
		}
	}
}

// detected takes in what BFD says of a peer. A session that BFD has had up and hears nothing
// of any more is reset at once, and tried again (RFC 5882 section 4.1); one that BFD never
// had up goes on without it.
func (s *Speaker) detected(peer netip.Addr, d Detection) {
	dead := false
	s.update(func() {
		if ses := s.sessions[peer]; ses != nil && ses.watched.MinTX != 0 {
			dead = ses.detected(d) && ses.State == announce.Established
		}
	})
	if dead {
		s.resetSoon(peer)
	}
}

// resetSoon has Run reset a session. It never waits.
func (s *Speaker) resetSoon(peer netip.Addr) {
	select {
	case s.resets <- peer:
	default:
		s.log.Error("bgp: too many sessions are to be reset at once; the hold time ends this one", "peer", peer)
	}
}

// reset ends a session that BFD has found dead, if it is not gone by itself. One that has gone
// by itself when the server was asked to end it begins anew there: the server would end the
// next session by what it was asked for this one. One that the router ended does, too: the
// server would wait for longer than a router does.
func (s *Speaker) reset(address netip.Addr) {
	s.calls.Lock()
	defer s.calls.Unlock()
	server, err := s.speaking()
	if err != nil {
		return
	}
	s.mu.Lock()
	ses := s.sessions[address]
	over := ses != nil && ses.ended
	s.mu.Unlock()
	if over {
		s.look() // it may have ended since the router sent too much
	}
	var ask, renew bool
	var p announce.Peer
	s.update(func() {
		ses := s.sessions[address]
		if ses == nil || !ses.there {
			return
		}
		established := ses.State == announce.Established
		ask, renew, p = established && ses.BFD == down, ses.renews(), ses.peer
		ses.asked, ses.ended = ask || ses.asked && established, false
	})
	switch {
	case ask:
		err = server.reset(address)
	case renew:
		if err = errors.Join(server.remove(address), server.add(p)); err != nil {
			s.update(func() { s.sessions[address].lost(err) })
		}
	}
	if err != nil {
		s.log.Warn("bgp: a session that BFD found dead could not be reset", "peer", address, "error", err)
	}
}

// look reads the counters of all sessions.
func (s *Speaker) look() {
	server, err := s.speaking()
	if err != nil {
		return
	}
	readings, err := server.read()
	if err != nil {
		return // server has told that it is lost
	}
	now := time.Now()
	var readmitted []netip.Addr
	s.update(func() {
		for _, r := range readings {
			if ses := s.sessions[r.peer]; ses != nil && ses.read(r, now) {
				readmitted = append(readmitted, r.peer)
			}
		}
	})
	for _, peer := range readmitted {
		server.readmit(peer)
	}
}
