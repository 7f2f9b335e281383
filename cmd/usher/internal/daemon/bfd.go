package daemon

import (
	"sync"

	"usher/conf"
	"usher/healthcheck/bfd"
)

// BFD runs sessions of RFC 5880 that instances track. There is one engine in the
// process, which health checks use as well. A number that is watched again has other
// settings; where only timers differ its session goes on.
type BFD interface {
	Watch(id uint64, p bfd.Peer, report func(bfd.Change))
	Forget(id uint64)
}

// firstSession is above every number that health checks use.
const firstSession = 1 << 32

// sessions are the BFD peers of the configuration and how they stand.
type sessions struct {
	mu    sync.Mutex
	last  uint64
	known map[string]*session // by name
}

type session struct {
	id     uint64
	peer   conf.BFD
	change bfd.Change
	heard  bool
}

// apply watches the peers of c, those that have not changed undisturbed, and calls
// changed whenever one of them does. One goroutine at a time calls it.
func (s *sessions) apply(engine BFD, c *conf.Config, changed func()) {
	gone, begun := s.replace(c)
	// Not under the lock: the engine reports under its own, and a report takes this one.
	for _, id := range gone {
		engine.Forget(id)
	}
	for _, one := range begun {
		engine.Watch(one.id, peerOf(one.peer), func(change bfd.Change) {
			s.mu.Lock()
			one.change, one.heard = change, true
			s.mu.Unlock()
			changed()
		})
	}
}

// replace makes the peers of c the known ones, and gives the numbers of those that are
// to be forgotten and the sessions that are to begin.
func (s *sessions) replace(c *conf.Config) (gone []uint64, begun []*session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known, s.last = map[string]*session{}, firstSession
	}
	wanted := map[string]conf.BFD{}
	for _, p := range c.BFD {
		wanted[p.Name] = p
	}
	for name, have := range s.known {
		if _, ok := wanted[name]; !ok {
			gone = append(gone, have.id)
			delete(s.known, name)
		}
	}
	for name, p := range wanted {
		have := s.known[name]
		if have != nil && have.peer == p {
			continue
		}
		one := &session{peer: p}
		switch {
		case have == nil:
			s.last++
			one.id = s.last
		case sameNeighbour(have.peer, p):
			one.id, one.change, one.heard = have.id, have.change, have.heard
		default:
			one.id = have.id
		}
		s.known[name] = one
		begun = append(begun, one)
	}
	return gone, begun
}

// sameNeighbour says whether p and o are one session of BFD, with other timers at most.
func sameNeighbour(p, o conf.BFD) bool {
	a, b := peerOf(p), peerOf(o)
	return a.Address == b.Address && a.Source == b.Source && a.Interface == b.Interface && a.Mark == b.Mark
}

func peerOf(p conf.BFD) bfd.Peer {
	return bfd.Peer{Address: p.Address, Source: p.BFD.Source, Interface: p.Interface, Mark: p.Mark, Config: bfd.Config{
		MinTX: p.MinTX, MinRX: p.MinRX, Multiplier: uint8(p.Multiplier), Passive: p.Passive,
	}}
}

// state says whether a peer is up and why it is not; told is false before its
// first report.
func (s *sessions) state(name string) (up bool, reason string, told bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.known[name]
	if one == nil || !one.heard {
		return false, "", false
	}
	return one.change.State == bfd.Up, one.change.Reason, true
}
