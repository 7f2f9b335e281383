package bfd

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
)

// told notes what a watcher was told.
type told []Change

func (l *told) note(c Change) { *l = append(*l, c) }

func (l told) states() (states []State) {
	for _, c := range l {
		states = append(states, c.State)
	}
	return states
}

// up brings a session up as its neighbour would.
func up(e *Engine, s *session, now time.Time) Packet {
	p := Packet{State: Init, Multiplier: 3, Mine: 9, Yours: s.Discriminator(), MinTX: fast.MinTX, MinRX: fast.MinRX}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.receive(now, arrival{from: s.peer.Address, ttl: hop}, p.Append(nil))
	p.State, p.Final = Up, true
	e.receive(now, arrival{from: s.peer.Address, ttl: hop}, p.Append(nil))
	p.Final = false
	return p
}

// TestWatchersShare: a check and a BGP peer that watch one neighbour have one session
// with it, whose packets it could not tell apart, at the pace of the faster; the session
// ends with the last of them.
func TestWatchersShare(t *testing.T) {
	e := New(nil)
	var first, second told
	slow := Config{MinTX: time.Second, MinRX: time.Second, Multiplier: 5}
	neighbour := netip.MustParseAddr("127.0.0.9")
	e.Watch(1, Peer{Address: neighbour, Config: slow}, first.note)
	s := e.watchers[1].session
	up(e, s, time.Now())
	e.Watch(2, Peer{Address: neighbour, Source: netip.MustParseAddr("127.0.0.1"), Config: fast}, second.note)
	if len(e.sessions) != 1 || e.watchers[2].session != s {
		t.Fatalf("%d sessions with one neighbour", len(e.sessions))
	}
	if s.config != fast || s.peer.Source != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("the session has %+v, want the timers and the source of the second watcher", s.peer)
	}
	e.expire(time.Now())
	for _, l := range []told{first, second} {
		if !slices.Equal(l.states(), []State{Up}) {
			t.Errorf("told %v, want Up alone", l.states())
		}
	}
	e.Forget(2)
	if s.State != Up || s.pending != slow && s.config != slow {
		t.Errorf("after the second watcher left: %s, %+v", s.State, s.config)
	}
	e.expire(time.Now().Add(time.Minute))
	if !slices.Equal(first.states(), []State{Up, Down}) || len(second) != 1 {
		t.Errorf("told %v and %v, want the first alone to hear of the end", first.states(), second.states())
	}
	e.Forget(1)
	if len(e.sessions) != 0 || len(e.watchers) != 0 || e.queue.Len() != 0 {
		t.Errorf("left over: %d sessions, %d watchers, %d timers", len(e.sessions), len(e.watchers), e.queue.Len())
	}
}

// TestWatchAgain: under the same number other timers change the session that there is;
// another neighbour is another session.
func TestWatchAgain(t *testing.T) {
	e := New(nil)
	var l told
	p := Peer{Address: netip.MustParseAddr("127.0.0.9"), Config: fast}
	e.Watch(1, p, l.note)
	s := e.watchers[1].session
	up(e, s, time.Now())
	p.MinTX = 20 * time.Millisecond
	e.Watch(1, p, l.note)
	e.expire(time.Now())
	if e.watchers[1].session != s || s.State != Up || !s.Packet().Poll || s.Packet().MinTX != p.MinTX {
		t.Errorf("new timers: %s, %+v", s.State, s.Packet())
	}
	if !slices.Equal(l.states(), []State{Up}) {
		t.Errorf("told %v, want Up once", l.states())
	}
	p.Address = netip.MustParseAddr("127.0.0.10")
	e.Watch(1, p, l.note)
	if e.watchers[1].session == s || len(e.sessions) != 1 || s.State != AdminDown {
		t.Errorf("another neighbour: %d sessions, the old one is %s", len(e.sessions), s.State)
	}
}

// TestAdministrative: a neighbour that takes its session down on purpose is told apart
// from one that is gone (RFC 5882 section 3.2).
func TestAdministrative(t *testing.T) {
	e := New(nil)
	var l told
	e.Watch(1, Peer{Address: netip.MustParseAddr("127.0.0.9"), Config: fast}, l.note)
	s := e.watchers[1].session
	for range 2 {
		p := up(e, s, time.Now())
		p.State, p.Diagnostic = AdminDown, Administrative
		e.mu.Lock()
		e.receive(time.Now(), arrival{ttl: hop}, p.Append(nil))
		e.mu.Unlock()
	}
	up(e, s, time.Now())
	e.expire(time.Now().Add(time.Minute))
	var purpose []bool
	for _, c := range l {
		purpose = append(purpose, c.Administrative)
		if c.Signalled != c.Administrative {
			t.Errorf("told %+v: what was signalled was on purpose here", c)
		}
	}
	if want := []bool{false, true, false, true, false, false}; !slices.Equal(purpose, want) {
		t.Errorf("administrative: %v, want %v", purpose, want)
	}
}

// TestQueueBeatsTimer: a process that did not run for longer than the detection time finds
// the packets of its neighbour in the queue, and does not take it for gone; one whose
// packets came by another hop is.
func TestQueueBeatsTimer(t *testing.T) {
	for ttl, want := range map[int]State{hop: Up, hop - 1: Down} {
		e := New(nil)
		e.Watch(1, Peer{Address: netip.MustParseAddr("127.0.0.1"), Config: fast}, func(Change) {})
		s := e.watchers[1].session
		now := time.Now()
		p := up(e, s, now)
		r, err := open(t.Context(), "udp4", 0)
		if err != nil {
			t.Fatal(err)
		}
		defer r.conn.Close()
		e.receiveBy([]*receiver{r})
		conn, err := net.Dial("udp4", netip.AddrPortFrom(s.peer.Address, uint16(r.conn.LocalAddr().(*net.UDPAddr).Port)).String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := ipv4.NewConn(conn).SetTTL(ttl); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(p.Append(nil)); err != nil {
			t.Fatal(err)
		}
		e.expire(now.Add(time.Second))
		if s.State != want {
			t.Errorf("a packet with TTL %d was in the queue: %s, want %s", ttl, s.State, want)
		}
	}
}

// TestServe: packets are taken in as they come, with what the kernel says of them, until
// the socket is closed.
func TestServe(t *testing.T) {
	for _, network := range []string{"udp4", "udp6"} {
		own := netip.MustParseAddr(map[string]string{"udp4": "127.0.0.1", "udp6": "::1"}[network])
		e := New(nil)
		heard := make(chan State, 16)
		e.Watch(1, Peer{Address: own, Source: own, Interface: "lo", Config: fast}, func(c Change) { heard <- c.State })
		r, err := open(t.Context(), network, 0)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- e.serve(r) }()
		to := netip.AddrPortFrom(own, uint16(r.conn.LocalAddr().(*net.UDPAddr).Port))
		w, err := dial(Peer{Address: own, Source: own, Interface: "lo"}, to)
		if err != nil {
			t.Fatal(err)
		}
		for _, state := range []State{Down, Init, Up} { // none of them knows our number
			p := Packet{State: state, Multiplier: 3, Mine: 9, MinTX: time.Second, MinRX: time.Second}
			if state != Down {
				e.mu.Lock()
				p.Yours = e.watchers[1].session.Discriminator()
				e.mu.Unlock()
			}
			if err := w.send(p); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case state := <-heard:
			if state != Up {
				t.Errorf("%s: told %s, want Up", network, state)
			}
		case <-time.After(30 * time.Second):
			t.Errorf("%s: nothing is heard", network)
		}
		w.close()
		r.conn.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: ended with %v", network, err)
		}
		e.Forget(1)
	}
}

// TestRunAndStop: nothing outlives Run, and its sessions end with it.
func TestRunAndStop(t *testing.T) {
	e := New(nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	e.Watch(1, Peer{Address: netip.MustParseAddr("127.0.0.9"), Config: fast}, func(Change) {})
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if err := e.Run(ctx); err != nil || len(e.sessions) != 0 || len(e.watchers) != 0 {
		t.Errorf("%v, %d sessions left", err, len(e.sessions))
	}
}
