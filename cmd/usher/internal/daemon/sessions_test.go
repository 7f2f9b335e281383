package daemon

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"usher/conf"
	"usher/healthcheck/bfd"
)

// reporting is a BFD engine in which another session changes just when one is forgotten,
// and which reports under its own lock, as the real one does.
type reporting struct {
	mu      sync.Mutex
	reports map[uint64]func(bfd.Change)
}

func (r *reporting) Watch(id uint64, _ bfd.Peer, report func(bfd.Change)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reports[id] = report
}

func (r *reporting) Forget(id uint64) {
	locked := make(chan struct{})
	go func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		close(locked)
		for other, report := range r.reports {
			if other != id {
				report(bfd.Change{State: bfd.Up})
			}
		}
	}()
	<-locked
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.reports, id)
}

// TestSessionChangesWhileAnotherIsForgotten: the engine reports under its lock, and so
// must not be called under one that a report takes.
func TestSessionChangesWhileAnotherIsForgotten(t *testing.T) {
	peer := func(name, address string) conf.BFD {
		return conf.BFD{Name: name, Address: netip.MustParseAddr(address)}
	}
	engine := &reporting{reports: map[uint64]func(bfd.Change){}}
	var s sessions
	s.apply(engine, &conf.Config{BFD: []conf.BFD{peer("stays", "192.0.2.1"), peer("goes", "192.0.2.2")}}, func() {})
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.apply(engine, &conf.Config{BFD: []conf.BFD{peer("stays", "192.0.2.1")}}, func() {})
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("a reload and a report wait for each other")
	}
	if up, _, told := s.state("stays"); !up || !told {
		t.Errorf("the change of the other session was not heard: up %t, told %t", up, told)
	}
	if _, _, told := s.state("goes"); told {
		t.Error("the forgotten session is still known")
	}
}

// TestSessionKeepsItsNumber: a reload that changes the timers of a BFD peer leaves its
// session up, which the engine knows by its number; another address is another session.
func TestSessionKeepsItsNumber(t *testing.T) {
	engine := &reporting{reports: map[uint64]func(bfd.Change){}}
	var s sessions
	apply := func(address string, tx time.Duration) uint64 {
		p := conf.BFD{Name: "core", Address: netip.MustParseAddr(address)}
		p.MinTX = tx
		s.apply(engine, &conf.Config{BFD: []conf.BFD{p}}, func() {})
		return s.known["core"].id
	}
	id := apply("192.0.2.1", time.Second)
	engine.reports[id](bfd.Change{State: bfd.Up})
	if again := apply("192.0.2.1", time.Millisecond); again != id || len(engine.reports) != 1 {
		t.Errorf("other timers: number %d after %d, %d sessions", again, id, len(engine.reports))
	}
	if up, _, told := s.state("core"); !up || !told {
		t.Errorf("other timers: up %t, told %t", up, told)
	}
	apply("192.0.2.2", time.Millisecond)
	if _, _, told := s.state("core"); told || len(engine.reports) != 1 {
		t.Errorf("another neighbour: told %t, %d sessions", told, len(engine.reports))
	}
}
