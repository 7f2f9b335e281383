package engine

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"usher/director/announce"
)

// state is all that changes; the goroutine of Run has it alone.
type state struct {
	options Options
	begun   time.Time
	now     time.Time // of the pass
	config  announce.Config
	items   []*item // by the configuration's order, then those that end

	speaking    bool
	local       announce.Local // that the speaker is
	deferred    bool           // peers are not configured yet: see defers
	speakerText string         // why it does not speak
	silentSince time.Time
	sessions    map[netip.Addr]announce.Session
	active      map[string]bool
	withdrawn   map[string]bool
	maintenance bool
	stopping    bool

	looked   time.Time // when interfaces were; zero for at once
	down     []string  // tracked interfaces, then
	unseen   bool      // others may have changed addresses and filter since
	bound    map[netip.Prefix]bool
	want     []netip.Prefix // what bound was made from
	held     bool           // without an error
	filtered []netip.Prefix
	cleared  bool // likewise the filter
	troubles map[string]trouble
	flaps    map[string]uint64 // withdrawals by announcement
	waiters  []waiter
}

// item is one prefix.
type item struct {
	prefix  netip.Prefix
	of      announce.Announcement
	machine announce.Machine
	removed bool           // from the configuration
	retired bool           // until the next one
	told    *announce.Path // what the speaker has
	since   time.Time      // when the phase became so
	lacking []string       // what its reason is about
}

// waiter is somebody who waits until something is over.
type waiter struct {
	over func(*state) bool
	done chan struct{}
}

// trouble is what cannot be done at present.
type trouble struct {
	text  string
	since time.Time
}

func newState(o Options) *state {
	return &state{
		options: o, begun: time.Now(), sessions: map[netip.Addr]announce.Session{}, active: map[string]bool{}, withdrawn: map[string]bool{},
		bound: map[netip.Prefix]bool{}, troubles: map[string]trouble{}, flaps: map[string]uint64{},
		speakerText: "it has not started yet", silentSince: time.Now(),
	}
}

// holds says whether anything of an item is needed still: by its machine, by routers who
// could not be told of its end, or since its address could not be removed.
func (s *state) holds(i *item) bool { return i.machine.Holds() || i.told != nil || s.bound[i.prefix] }

func (s *state) idle() bool {
	return !slices.ContainsFunc(s.items, s.holds) && len(s.filtered) == 0
}

func (s *state) retired() bool {
	return !slices.ContainsFunc(s.items, func(i *item) bool { return (i.retired || i.removed) && s.holds(i) })
}

func (s *state) retire(gone func(string, netip.Prefix) bool) {
	for _, i := range s.items {
		if gone(i.of.Name, i.prefix) {
			i.retired = true
		}
	}
}

// answer tells those whose wait is over.
func (s *state) answer() {
	s.waiters = slices.DeleteFunc(s.waiters, func(w waiter) bool {
		if !w.over(s) {
			return false
		}
		close(w.done)
		return true
	})
}

// apply takes a configuration over. A prefix that stays goes on as it is.
func (s *state) apply(c announce.Config) error {
	s.config, s.looked = c, time.Time{}
	known := map[netip.Prefix]*item{}
	for _, i := range s.items {
		known[i.prefix] = i
		i.removed, i.retired = true, false
	}
	var items []*item
	for _, a := range c.Announcements {
		for _, p := range a.Prefixes {
			i := known[p]
			if i == nil {
				i = &item{prefix: p, machine: announce.NewMachine(a.Times), since: time.Now()}
			}
			delete(known, p)
			i.of, i.removed = a, false
			items = append(items, i)
		}
	}
	ending := make([]*item, 0, len(known))
	for _, i := range known {
		ending = append(ending, i)
	}
	slices.SortFunc(ending, func(a, b *item) int { return a.prefix.Compare(b.prefix) })
	s.items = append(items, ending...)
	if !s.speaking {
		return nil // the peers are told when it does
	}
	return s.configure()
}

// configure tells the speaker of the peers. After a restart that routers have been asked to
// wait for, they are spoken with once everything is announced again, or the time is over:
// what is not announced when the session comes up they drop at once (RFC 4724 section 4.2).
func (s *state) configure() error {
	if s.config.Local.ASN == 0 {
		return nil // nothing is configured yet
	}
	if s.local != s.config.Local { // another speaker, to whom nothing was told
		s.local = s.config.Local
		for _, i := range s.items {
			i.told = nil
		}
	}
	peers := s.config.Peers
	if s.deferred = s.defers(); s.deferred {
		peers = nil
	}
	err := s.options.Speaker.Configure(s.config.Local, peers)
	s.report("peers", "peers", err)
	kept := map[netip.Addr]announce.Session{}
	for _, p := range s.config.Peers {
		if known, ok := s.sessions[p.Address]; ok {
			kept[p.Address] = known
		}
	}
	s.sessions = kept
	return err
}

// defers says whether peers have to wait for announcements that were there before a restart.
func (s *state) defers() bool {
	return time.Since(s.begun) < s.config.Local.GracefulRestart && !s.stopping &&
		slices.ContainsFunc(s.items, func(i *item) bool { return !i.removed && i.told == nil })
}

// speaks is the start of the speaker, which knows nothing yet.
func (s *state) speaks() {
	s.speaking, s.speakerText, s.local = true, "", announce.Local{}
	for _, i := range s.items {
		i.told = nil
	}
	s.event(announce.Event{Kind: announce.EventSpeaker, To: "up", Text: "the BGP speaker runs"})
	_ = s.configure() // reported, and tried at the next start or reload
}

// silent is the end of the speaker: its sessions are closed, and nothing is announced.
func (s *state) silent(err error, again time.Duration) {
	s.speaking, s.speakerText, s.silentSince = false, fmt.Sprintf("%v; it is started again", err), time.Now()
	for _, i := range s.items {
		i.told = nil
	}
	s.event(announce.Event{Kind: announce.EventSpeaker, To: "down", Text: fmt.Sprintf("the BGP speaker has ended: %v; it is started again in %v", err, again)})
}

// session takes a session's change.
func (s *state) session(now announce.Session) {
	if !slices.ContainsFunc(s.config.Peers, func(p announce.Peer) bool { return p.Address == now.Peer }) {
		return // of one that a reload has removed meanwhile
	}
	before, known := s.sessions[now.Peer]
	s.sessions[now.Peer] = now
	was, is := before.State == announce.Established, now.State == announce.Established
	if was == is || !known && !is {
		return
	}
	text := now.Reason
	if is {
		text = "the session is established"
	}
	s.event(announce.Event{Kind: announce.EventSession, Peer: now.Peer, From: string(cmp.Or(before.State, announce.Idle)), To: string(now.State), Text: text})
}

func (s *state) event(e announce.Event) {
	e.Time = time.Now()
	s.options.Events(e)
}

// report takes what came of something that is tried again and again: an error is told once,
// and so is its end.
func (s *state) report(what, subject string, err error) {
	before, known := s.troubles[what]
	switch {
	case err == nil && known:
		delete(s.troubles, what)
		s.event(announce.Event{Kind: announce.EventErrorEnd, Announcement: subject, Text: "no longer: " + before.text})
	case err != nil && before.text != err.Error():
		since := time.Now()
		if known {
			since = before.since
		}
		s.troubles[what] = trouble{text: err.Error(), since: since}
		s.event(announce.Event{Kind: announce.EventError, Announcement: subject, Text: err.Error()})
	}
}
