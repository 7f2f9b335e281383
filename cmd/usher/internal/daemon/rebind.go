package daemon

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"syscall"

	"usher/conf"
)

// rebind moves the page and remote steering to where the new configuration has
// them, and reads the certificates of remote steering again, for they are renewed. On
// an error everything is where it was.
func (s *servers) rebind(was, now conf.Global) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var renewed *tls.Config
	var moves []*move
	if was.Remote != nil && now.Remote != nil && was.Remote.Listen == now.Remote.Listen {
		var err error
		if renewed, err = credentials(now.Remote); err != nil {
			return err
		}
	} else if was.Remote != nil || now.Remote != nil {
		open := func(g conf.Global) (*server, error) { return s.openRemote(g.Remote) }
		moves = append(moves, &move{server: &s.remote, open: open})
	}
	if was.HTTP != now.HTTP {
		open := func(g conf.Global) (*server, error) { return s.openPage(g.HTTP) }
		moves = append(moves, &move{server: &s.page, open: open})
	}
	for i, m := range moves {
		if err := m.begin(s.log, now); err != nil {
			for _, begun := range moves[:i+1] {
				begun.back(s.log, was)
			}
			return err
		}
	}
	for _, m := range moves {
		m.finish(s.log)
	}
	if renewed != nil {
		s.remote.credentials.Store(renewed)
		s.remote.guard.Recheck()
	}
	return nil
}

// move is a listener on its way to another address, or to none, or from none.
type move struct {
	server **server // the one that serves
	next   *server
	open   func(conf.Global) (*server, error)
	gone   bool // the one before was closed already, to make room
}

// begin opens the listener at its new address.
func (m *move) begin(log *slog.Logger, now conf.Global) (err error) {
	m.next, err = m.open(now)
	if *m.server == nil || !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	// Perhaps it is the one before that has the address: 127.0.0.1:9765 is a part of
	// 0.0.0.0:9765.
	m.leave(log)
	m.gone = true
	m.next, err = m.open(now)
	return err
}

// back undoes begin.
func (m *move) back(log *slog.Logger, was conf.Global) {
	if err := m.next.close(); err != nil {
		log.Warn("a new listener did not close well", "error", err)
	}
	if !m.gone {
		return
	}
	var err error
	if *m.server, err = m.open(was); err != nil {
		log.Error("a listener could not be put back", "error", err)
	}
	(*m.server).serve(log)
}

// finish serves at the new address instead of the one before.
func (m *move) finish(log *slog.Logger) {
	if !m.gone {
		m.leave(log)
	}
	*m.server = m.next
	m.next.serve(log)
}

func (m *move) leave(log *slog.Logger) {
	if err := (*m.server).close(); err != nil {
		log.Warn("an old listener did not close well", "error", err)
	}
}
