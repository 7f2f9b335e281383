package bgp

import (
	"errors"
	"maps"
	"net/netip"
	"slices"

	"usher/director/announce"
)

// apply makes the peers of the server those that are wanted. s.calls is held.
func (s *Speaker) apply() error {
	s.mu.Lock()
	local, server := s.local, s.server
	wanted := make(map[netip.Addr]announce.Peer, len(s.peers))
	for _, p := range s.peers {
		wanted[p.Address] = p
	}
	s.mu.Unlock()
	var paths []announce.Path
	if server.local.ASN != 0 && server.local != local {
		paths = server.announced()
		server = s.replace()
	}
	if server.local.ASN == 0 {
		if err := server.start(local); err != nil {
			return err
		}
	}
	for _, p := range paths {
		if err := server.announce(p); err != nil {
			return err
		}
	}
	gone, changed, added := s.difference(wanted)
	errs := []error{server.nextHops(s.peers)}
	for _, address := range gone {
		errs = append(errs, s.drop(server, address))
	}
	for _, p := range changed {
		errs = append(errs, s.change(server, p))
	}
	for _, p := range added {
		errs = append(errs, s.add(server, p))
	}
	return errors.Join(errs...)
}

// replace ends the server, for another one with other global settings.
func (s *Speaker) replace() *instance {
	s.mu.Lock()
	old := s.server
	s.mu.Unlock()
	old.stop()
	server := s.newInstance(s.lost)
	s.update(func() {
		s.server = server
		for _, ses := range s.sessions {
			ses.stopped("the autonomous system number, the router identifier or graceful_restart has changed, and with it every session")
			ses.there = false
		}
	})
	s.watchAll()
	return server
}

// difference compares what is there with what is wanted, in the order of Configure.
func (s *Speaker) difference(wanted map[netip.Addr]announce.Peer) (gone []netip.Addr, changed, added []announce.Peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for address := range s.sessions {
		if _, ok := wanted[address]; !ok {
			gone = append(gone, address)
		}
	}
	for _, p := range s.peers {
		switch ses := s.sessions[p.Address]; {
		case ses == nil || !ses.there:
			added = append(added, p)
		case ses.peer != p:
			changed = append(changed, p)
		}
	}
	return gone, changed, added
}

// drop takes a peer out.
func (s *Speaker) drop(server *instance, address netip.Addr) error {
	s.mu.Lock()
	ses := s.sessions[address]
	there := ses.there
	ses.there = false
	delete(s.sessions, address)
	if s.o.BFD != nil {
		s.left[address] = ses
	}
	s.mu.Unlock()
	defer s.watch(address)
	if !there {
		return nil
	}
	return server.remove(address)
}

// change gives a peer other settings. What the session does not depend on changes beside it.
func (s *Speaker) change(server *instance, p announce.Peer) error {
	s.mu.Lock()
	ses := s.sessions[p.Address]
	old := ses.peer
	s.mu.Unlock()
	beside := old
	beside.BFD, beside.NextHop4, beside.NextHop6 = p.BFD, p.NextHop4, p.NextHop6
	if beside != p || families(old) != families(p) {
		err := server.remove(p.Address)
		s.update(func() { ses.stopped("its settings have changed") })
		s.watch(p.Address)
		return errors.Join(err, s.add(server, p))
	}
	s.update(func() { ses.peer = p })
	s.watch(p.Address)
	if old.NextHop4 != p.NextHop4 || old.NextHop6 != p.NextHop6 {
		return server.resend(p.Address)
	}
	return nil
}

// add has a session with a peer.
func (s *Speaker) add(server *instance, p announce.Peer) error {
	s.update(func() {
		ses := s.sessions[p.Address]
		if ses == nil {
			ses = &session{}
			s.sessions[p.Address] = ses
		}
		ses.begin(p)
	})
	err := server.add(p)
	s.update(func() {
		ses := s.sessions[p.Address]
		ses.there = true
		if err != nil {
			ses.lost(err)
		}
	})
	return err
}

// watch has BFD watch a peer for as long as there is a session with it, with the settings
// of the peer. Before, it could not tell what is to be done about it, and FRR takes a BFD
// session that it finds up down when its BGP is established, and BGP with it.
func (s *Speaker) watch(address netip.Addr) {
	if s.o.BFD == nil {
		return
	}
	s.watching.Lock()
	defer s.watching.Unlock()
	var before, wanted announce.BFD
	var p announce.Peer
	s.update(func() {
		ses := s.sessions[address]
		if ses == nil {
			ses = s.left[address]
			delete(s.left, address)
		}
		if ses == nil {
			return
		}
		p, before = ses.peer, ses.watched
		if ses.there && ses.State == announce.Established {
			wanted = p.BFD
		}
		ses.watched = wanted
		switch {
		case !ses.detects():
			ses.BFD, ses.BFDReason = "", ""
		case wanted.MinTX == 0 && ses.BFD != down:
			ses.BFD, ses.BFDReason = waiting, ""
		}
	})
	switch {
	case wanted == before:
	case wanted.MinTX != 0:
		s.o.BFD.Watch(p, func(d Detection) { s.detected(address, d) })
	default:
		s.o.BFD.Forget(address)
	}
}

// watchAll is watch for every peer.
func (s *Speaker) watchAll() {
	s.mu.Lock()
	all := slices.Collect(maps.Keys(s.sessions))
	s.mu.Unlock()
	for _, address := range all {
		s.watch(address)
	}
}
