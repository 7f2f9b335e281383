package cli

import (
	"log/slog"
	"net/netip"
	"sync"

	"usher/cmd/usher/internal/daemon"
	"usher/director/announce"
	"usher/director/announce/bgp"
	announceengine "usher/director/announce/engine"
	"usher/director/announce/filter"
	"usher/director/announce/host"
	"usher/healthcheck/bfd"
)

// announcer makes what announces addresses, with a BGP speaker and this machine.
func announcer(log *slog.Logger, sessions daemon.BFD, h daemon.AnnouncerHandlers) daemon.Announcer {
	var e *announceengine.Engine
	speaker := bgp.New(bgp.Options{
		Log: log, BFD: &peerSessions{engine: sessions, ids: map[netip.Addr]uint64{}},
		Started: func() { e.Started() }, Changed: func(s announce.Session) { e.SessionChanged(s) },
	})
	e = announceengine.New(announceengine.Options{
		Speaker: speaker, Host: host.New(), Filter: filter.New(), Pools: h.Pools, Events: h.Events, Log: log,
	})
	return e
}

// firstPeerSession is above every number that health checks and instances use.
const firstPeerSession = 1 << 33

// peerSessions are the sessions of the process' one BFD engine that go with BGP peers.
type peerSessions struct {
	engine daemon.BFD

	mu  sync.Mutex
	ids map[netip.Addr]uint64 // of every peer so far
}

func (p *peerSessions) id(peer netip.Addr) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	id, known := p.ids[peer]
	if !known {
		id = firstPeerSession + uint64(len(p.ids))
		p.ids[peer] = id
	}
	return id
}

// Watch implements bgp.BFD.
func (p *peerSessions) Watch(peer announce.Peer, report func(bgp.Detection)) {
	p.engine.Watch(p.id(peer.Address), bfd.Peer{
		Address: peer.Address, Source: peer.Source,
		Config: bfd.Config{MinTX: peer.BFD.MinTX, MinRX: peer.BFD.MinRX, Multiplier: peer.BFD.Multiplier},
	}, func(c bfd.Change) {
		report(bgp.Detection{Up: c.State == bfd.Up, Unknown: c.Fault || c.Administrative, Signalled: c.Signalled, Reason: c.Reason})
	})
}

// Forget implements bgp.BFD.
func (p *peerSessions) Forget(peer netip.Addr) { p.engine.Forget(p.id(peer)) }
