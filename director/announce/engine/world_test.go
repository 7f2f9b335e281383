package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/director/announce"
)

// world is what surrounds an engine: a speaker, a machine and a packet filter, whose doings
// are written down in one order, since the order is what matters.
type world struct {
	*Engine
	t      *testing.T
	cancel context.CancelFunc
	ended  chan error

	mu       sync.Mutex
	log      []string
	begun    time.Time
	pools    map[string]announce.Pool
	down     []string
	refuse   map[string]error // by the kind of call
	bound    []netip.Prefix
	filtered []netip.Prefix
	sessions []announce.Session
	crash    chan error
	calls    map[string]int // of what costs time
	changed  func()         // says that this machine has
}

var (
	four = netip.MustParsePrefix("192.0.2.10/32")
	six  = netip.MustParsePrefix("2001:db8::10/128")
	peer = netip.MustParseAddr("192.0.2.254")
)

func config() announce.Config {
	return announce.Config{
		Local: announce.Local{ASN: 65001, RouterID: netip.MustParseAddr("192.0.2.1")},
		Peers: []announce.Peer{{Address: peer, ASN: 65000, HoldTime: 9 * time.Second}},
		Announcements: []announce.Announcement{{
			Name: "web", Prefixes: []netip.Prefix{four, six}, Pools: []string{"web"}, Require: announce.RequireAll,
			Times:       announce.Parameters{UpDelay: 10 * time.Second, DrainTimeout: 5 * time.Second, Linger: 3 * time.Second},
			Communities: []announce.Community{65000<<16 | 100}, Interfaces: []string{"eth1"},
		}},
	}
}

// run starts an engine with everything well, and lets it go to its end after the test.
func run(t *testing.T) *world {
	w := &world{t: t, begun: time.Now(), refuse: map[string]error{}, calls: map[string]int{}, crash: make(chan error), ended: make(chan error, 1)}
	w.pools = map[string]announce.Pool{"web": {Name: "web", Table: true, Probed: true, Serves: true}}
	w.sessions = []announce.Session{{Peer: peer, State: announce.Established, Since: time.Now()}}
	w.Engine = New(Options{Speaker: w, Host: w, Filter: filterDouble{w}, Pools: w.state4, Events: w.heard})
	ctx, cancel := context.WithCancel(t.Context())
	w.cancel = cancel
	go func() { w.ended <- w.Engine.Run(ctx) }()
	synctest.Wait() // it speaks
	return w
}

func (w *world) end() {
	w.cancel()
	if err := <-w.ended; err != nil {
		w.t.Errorf("Run: %v", err)
	}
}

// note writes a doing down with its time.
func (w *world) note(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%v ", time.Since(w.begun).Round(time.Millisecond))+fmt.Sprintf(format, args...))
}

// story gives what was done since the last story.
func (w *world) story() []string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	log := w.log
	w.log = nil
	return log
}

// set changes something and says so.
func (w *world) set(f func()) {
	w.mu.Lock()
	f()
	w.mu.Unlock()
	w.changed()
	w.Kick()
}

// asked gives how often each thing was asked for since the last time.
func (w *world) asked() map[string]int {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := w.calls
	w.calls = map[string]int{}
	return asked
}

func (w *world) heard(e announce.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e.Kind {
	case announce.EventAnnouncement:
		w.note("event %s %s to %s: %s", e.Prefix, e.From, e.To, e.Text)
	case announce.EventSpeaker:
	default:
		w.note("event %s %s", e.Kind, e.Text)
	}
}

func (w *world) state4(names []string) (all []announce.Pool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls["pools"]++
	for _, n := range names {
		p := w.pools[n]
		p.Name = n
		all = append(all, p)
	}
	return all
}

// The speaker.

func (w *world) Run(ctx context.Context) error {
	w.Started()
	select {
	case <-ctx.Done():
		return nil
	case err := <-w.crash:
		return err
	}
}

func (w *world) Configure(_ announce.Local, peers []announce.Peer) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("configure %d", len(peers))
	return w.refuse["configure"]
}

func (w *world) Announce(p announce.Path) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.refuse["announce"]; err != nil {
		return err
	}
	w.note("announce %s %v med %d", p.Prefix, p.Communities, p.MED)
	if !slices.Contains(w.bound, p.Prefix) {
		w.t.Errorf("%s is announced and not on lo", p.Prefix)
	}
	return nil
}

func (w *world) Withdraw(p netip.Prefix) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.refuse["withdraw"]; err != nil {
		return err
	}
	w.note("withdraw %s", p)
	return nil
}

func (w *world) Sessions() []announce.Session {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sessions)
}

// The machine.

func (w *world) Hold(want []netip.Prefix) ([]netip.Prefix, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls["hold"]++
	if err := w.refuse["hold"]; err != nil {
		return w.bound, err
	}
	if !slices.Equal(want, w.bound) {
		w.note("hold %v", want)
	}
	w.bound = slices.Clone(want)
	for _, p := range want {
		if !slices.Contains(w.filtered, p) {
			w.t.Errorf("%s is on lo and not filtered", p)
		}
	}
	return want, nil
}

func (w *world) Down(interfaces []string) (down []string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls["down"]++
	for _, i := range interfaces {
		if slices.Contains(w.down, i) {
			down = append(down, i)
		}
	}
	return down, w.refuse["down"]
}

func (w *world) Watch(ctx context.Context, changed func()) error {
	w.changed = changed
	<-ctx.Done()
	return nil
}

// filterDouble is the packet filter of a world.
type filterDouble struct{ *world }

func (f filterDouble) Keep(want []netip.Prefix) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls["keep"]++
	if err := f.refuse["keep"]; err != nil {
		return err
	}
	for _, p := range f.bound {
		if !slices.Contains(want, p) {
			f.t.Errorf("%s is not filtered any more and still on lo", p)
		}
	}
	f.filtered = slices.Clone(want)
	return nil
}

func (f filterDouble) Unclaimed() (uint64, error) { return 7, nil }

var errRefused = errors.New("refused")

func (w *world) expect(want ...string) {
	w.t.Helper()
	got := w.story()
	if !slices.Equal(got, want) {
		w.t.Errorf("done:\n\t%s\nwant:\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}
