package bfd

import "time"

// Config is one session's.
type Config struct {
	MinTX      time.Duration // between packets that we send while up
	MinRX      time.Duration // between packets that we can take
	Multiplier uint8         // packets that may be missed
	Passive    bool          // send nothing before the neighbour does (section 6.1)
}

// slowest is the interval at which a session that is not up sends: no faster than
// one packet a second (section 6.8.3).
const slowest = time.Second

// Session is one side of a session (RFC 5880 section 6.8), free of sockets and
// clock. It is a comparable value.
type Session struct {
	config Config

	State      State
	Diagnostic Diagnostic
	Remote     State      // the neighbour's, as last heard
	RemoteDiag Diagnostic // likewise

	mine, yours uint32
	minRX       time.Duration // the neighbour's; 0: it wants nothing
	minTX       time.Duration // the neighbour's
	multiplier  uint8         // the neighbour's
	demand      bool          // the neighbour wants no periodic packets while up
	polling     bool          // our intervals have changed and are not yet acknowledged
	// Intervals that hold until they are: of sending, where the new one is longer, and of
	// receiving, where it is shorter (section 6.8.3). 0 for none.
	heldTX, heldRX time.Duration
	pending        Config // to be in use once this poll sequence is over; see Reconfigure
	waits          bool   // there is a pending one
	pollNext       bool   // a second poll sequence follows a packet without the Poll bit
	sendAt         time.Time
	detectAt       time.Time // zero: nothing to be detected
}

// NewSession is a session that is down, with a discriminator that no other session
// of this machine has. It sends at once, unless it is passive.
func NewSession(now time.Time, c Config, discriminator uint32) Session {
	return Session{
		config: c, State: Down, Remote: Down, mine: discriminator,
		minRX:  time.Microsecond, // section 6.8.1, bfd.RemoteMinRxInterval
		sendAt: now,
	}
}

// Discriminator is ours.
func (s Session) Discriminator() uint32 { return s.mine }

// Packet is what to send now.
func (s Session) Packet() Packet {
	return Packet{
		Diagnostic: s.Diagnostic, State: s.State, Poll: s.polling, Multiplier: s.config.Multiplier,
		Mine: s.mine, Yours: s.yours, MinTX: s.desired(), MinRX: s.config.MinRX,
	}
}

// desired is bfd.DesiredMinTxInterval.
func (s Session) desired() time.Duration {
	if s.State == Up {
		return s.config.MinTX
	}
	return max(slowest, s.config.MinTX)
}

// detection is the time within which something must be heard (section 6.8.4).
func (s Session) detection() time.Duration {
	return time.Duration(s.multiplier) * max(s.config.MinRX, s.heldRX, s.minTX)
}

// Reconfigure changes the intervals and the multiplier of a session as it goes on
// (section 6.8.3). While it is up a poll sequence has the neighbour acknowledge them, and
// another change during that one waits for its end (section 6.5).
func (s Session) Reconfigure(now time.Time, c Config) Session {
	switch {
	case s.State == Up && (s.polling || s.pollNext) && c != s.config:
		s.pending, s.waits = c, true
		return s
	case s.State == Up && c != s.config:
		s = s.adopt(c)
		s.polling = true
		s.sendAt = now
	default:
		s.config = c
	}
	s.pending, s.waits = Config{}, false
	return s
}

// adopt takes other settings, and holds the old intervals where the neighbour does not
// know yet that it may send faster, or that we send more slowly.
func (s Session) adopt(c Config) Session {
	if c.MinTX > s.config.MinTX {
		s.heldTX = s.config.MinTX
	}
	if c.MinRX < s.config.MinRX {
		s.heldRX = s.config.MinRX
	}
	s.config = c
	return s
}

// acknowledged ends a poll sequence, and begins the next one where there is one to come.
func (s Session) acknowledged() Session {
	s.polling, s.heldTX, s.heldRX = false, 0, 0
	if s.waits {
		s = s.adopt(s.pending)
		s.pending, s.waits, s.pollNext = Config{}, false, true
	}
	return s
}

// left is the session that is not up any more: nothing of it is left to be acknowledged.
func (s Session) left() Session {
	if s.waits {
		s.config = s.pending
	}
	s.pending, s.waits, s.pollNext, s.heldTX, s.heldRX = Config{}, false, false, 0, 0
	return s
}

// Receive takes a packet that was parsed and is for this session (section 6.8.6).
// It says whether an answer with the Final bit must go out at once.
func (s Session) Receive(now time.Time, p Packet) (_ Session, final bool) {
	s.yours, s.Remote, s.RemoteDiag = p.Mine, p.State, p.Diagnostic
	s.minRX, s.minTX, s.multiplier, s.demand = p.MinRX, p.MinTX, p.Multiplier, p.Demand
	if p.Final && s.polling {
		s = s.acknowledged()
	}
	s.detectAt = now.Add(s.detection())
	if s.State == AdminDown {
		return s, false
	}
	before := s.State
	switch {
	case p.State == AdminDown:
		if s.State != Down {
			s.State, s.Diagnostic = Down, NeighbourDown
		}
	case s.State == Down && p.State == Down:
		s.State = Init
	case s.State == Down && p.State == Init, s.State == Init && (p.State == Init || p.State == Up):
		s.State, s.Diagnostic = Up, NoDiagnostic
	case s.State == Up && p.State == Down:
		s.State, s.Diagnostic = Down, NeighbourDown
	}
	if s.State != before {
		if before == Up {
			s = s.left()
		}
		// Our interval changes with the state, which the neighbour must
		// acknowledge (section 6.8.3); and it hears of the change at once.
		s.polling = s.State == Up || before == Up
		s.sendAt = now
	}
	// A neighbour that now takes packets faster also expects them faster: what
	// was put off at the old pace must not wait (section 6.8.3).
	if soon := now.Add(s.interval()); soon.Before(s.sendAt) {
		s.sendAt = soon
	}
	return s, p.Poll
}

// interval is the time between packets that we send (section 6.8.7).
func (s Session) interval() time.Duration {
	if s.heldTX != 0 && s.State == Up {
		return max(s.heldTX, s.minRX)
	}
	return max(s.desired(), s.minRX)
}

// Next is when something is to be done, if nothing comes; zero for never.
func (s Session) Next() time.Time {
	next := s.detectAt
	if s.sends() && (next.IsZero() || s.sendAt.Before(next)) {
		next = s.sendAt
	}
	return next
}

// sends says whether packets go out periodically (section 6.8.7).
func (s Session) sends() bool {
	quiet := s.demand && s.State == Up && s.Remote == Up && !s.polling && !s.pollNext
	return s.minRX != 0 && !quiet && !(s.config.Passive && s.yours == 0)
}

// Expire does what is due: it finds the neighbour gone, and says whether a packet
// is to be sent. random, in [0, 1), is for the jitter that section 6.8.7 wants.
func (s Session) Expire(now time.Time, random float64) (_ Session, send bool) {
	if !s.detectAt.IsZero() && !now.Before(s.detectAt) {
		s.detectAt = time.Time{}
		s.yours = 0 // section 6.8.1, bfd.RemoteDiscr
		if s.State == Init || s.State == Up {
			s = s.left()
			s.State, s.Diagnostic, s.polling = Down, DetectionTime, false
			s.sendAt = now
		}
	}
	if !s.sends() || now.Before(s.sendAt) {
		return s, false
	}
	interval := s.interval()
	// Less by 0 to 25%; with a multiplier of 1 by 10 to 25%, so that a packet
	// always comes before its predecessor's time is over.
	least := 0.0
	if s.config.Multiplier == 1 {
		least = 0.10
	}
	s.sendAt = now.Add(interval - time.Duration(float64(interval)*(least+random*(0.25-least))))
	return s, true
}

// Sent is to be called with each packet of Packet that went out: the poll sequence that
// follows another one begins after a packet between them that does not poll (section 6.5).
func (s Session) Sent() Session {
	if s.pollNext && !s.polling {
		s.pollNext, s.polling = false, true
	}
	return s
}

// Close is the session taken down by us; its packet tells the neighbour so.
func (s Session) Close() Session {
	s = s.left()
	s.State, s.Diagnostic, s.polling, s.detectAt = AdminDown, Administrative, false, time.Time{}
	return s
}
