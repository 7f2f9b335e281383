package bgp

import (
	"errors"
	"net/netip"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"usher/director/announce"
)

// lastWords bounds how long routers may take to be told that the sessions end.
const lastWords = 2 * time.Second

// farewell closes every session with Cease, Administrative Shutdown (RFC 4486), and waits
// until they are closed.
func (s *Speaker) farewell() {
	server, err := s.speaking()
	if err != nil {
		return
	}
	timer := time.NewTimer(lastWords)
	defer timer.Stop()
	for _, peer := range s.established() {
		// What fails here ends with the connection.
		_ = server.shut(peer, "usher stops")
	}
	for len(s.established()) > 0 {
		select {
		case <-s.pulse:
		case <-timer.C:
			return
		}
	}
}

func (s *Speaker) established() (peers []netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for address, ses := range s.sessions {
		if ses.there && ses.State == announce.Established {
			peers = append(peers, address)
		}
	}
	return peers
}

// shutConnections ends what connections with peers this process still has. A server whose
// loop has died leaves goroutines behind that keep a session alive: the router would go on
// sending to this director, and refuse the session of the next server.
func (s *Speaker) shutConnections() {
	s.mu.Lock()
	peers := map[netip.AddrPort]bool{}
	for address, ses := range s.sessions {
		peers[netip.AddrPortFrom(address.WithZone(""), port(ses.peer))] = true
	}
	s.mu.Unlock()
	if err := shutTo(peers); err != nil {
		s.log.Warn("bgp: connections of the lost speaker may be left open", "error", err)
	}
}

// shutTo shuts this process's TCP connections to some peers down.
func shutTo(peers map[netip.AddrPort]bool) error {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range files {
		fd, err := strconv.Atoi(f.Name())
		if err != nil {
			continue
		}
		if to, ok := connected(fd); ok && peers[to] {
			if err := unix.Shutdown(fd, unix.SHUT_RDWR); err != nil && !errors.Is(err, unix.ENOTCONN) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// connected is the other end of a TCP connection.
func connected(fd int) (to netip.AddrPort, ok bool) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil || kind != unix.IPPROTO_TCP {
		return to, false
	}
	name, err := unix.Getpeername(fd)
	if err != nil {
		return to, false
	}
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(name.Addr), uint16(name.Port)), true
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(name.Addr).Unmap(), uint16(name.Port)), true
	}
	return to, false
}
