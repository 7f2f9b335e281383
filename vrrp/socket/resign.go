package socket

import (
	"log/slog"

	"usher/vrrp/engine"
)

// Sender sends adverts without a loop: those of a process that has died.
type Sender struct{ s *sender }

// OpenSender opens the sockets, so that nothing but the sending is left to be done.
func OpenSender() (*Sender, error) {
	s := newSender()
	if err := s.open(); err != nil {
		return nil, err
	}
	return &Sender{s}, nil
}

// Send puts one advert on the wire.
func (s *Sender) Send(out engine.Outgoing) error { return s.s.send(out) }

// Close closes the sockets.
func (s *Sender) Close() { s.s.close() }

// Realtime gives this process the schedule of the loop, with a warning where that is
// not permitted, and leaves its memory as it is.
func Realtime(log *slog.Logger) {
	if err := schedule(); err != nil {
		log.Warn("no real-time schedule for the guard: under load the end of another process may be answered late", "error", err)
	}
}
