package bgp

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"usher/director/announce"
	"usher/healthcheck"
)

// What Session.BFD says.
const (
	up      = "up"
	down    = "down"
	waiting = "waiting"
)

// session is a peer as it stands.
type session struct {
	announce.Session
	peer    announce.Peer
	there   bool             // the server has the peer
	watched announce.BFD     // what BFD watches it with; the zero value for not at all
	why     string           // why the session is not established, as far as is known
	refused time.Time        // when why was what one of the two does not like of the other; zero where it is not
	barred  time.Time        // when the server closed it since the router sent too much; zero where it did not
	asked   bool             // the server was asked to reset it, and is not known to have done so
	ended   bool             // by the router, or with the connection; it is to begin anew in a moment
	dead    string           // what BFD said when it found the router gone; "" since the next session
	told    announce.Session // as it was told last
}

// reading is what the server counts of a peer.
type reading struct {
	peer     netip.Addr
	holdTime time.Duration
	received uint64
	overfull bool // closed, since the peer sent more than maxReceived
}

// detects says whether BFD watches the peer.
func (s *session) detects() bool { return s.peer.BFD.MinTX != 0 }

// begin makes it the session with a peer that is tried from now on.
func (s *session) begin(p announce.Peer) {
	flaps := s.Flaps
	s.peer, s.why, s.asked, s.ended = p, "", false, false
	s.refused, s.barred = time.Time{}, time.Time{}
	s.Session = announce.Session{Peer: p.Address, ASN: p.ASN, State: announce.Idle, Since: time.Now(), Flaps: flaps}
	if s.detects() {
		s.BFD = waiting
	}
}

// stopped is a session that is not tried any more.
func (s *session) stopped(why string) {
	s.enter(announce.Idle)
	s.why, s.ended = why, false
	if s.detects() {
		s.BFD, s.BFDReason = waiting, ""
	}
}

// lost is a session that the server could not set up.
func (s *session) lost(err error) {
	s.there = false
	s.stopped(fmt.Sprintf("the session cannot be set up: %v", err))
}

// enter takes in a new state.
func (s *session) enter(state announce.SessionState) {
	if state == s.State {
		return
	}
	if s.State == announce.Established {
		s.Flaps++
		s.HoldTime, s.IPv4, s.IPv6 = 0, false, false
	}
	s.State, s.Since = state, time.Now()
	if state == announce.Established {
		s.why, s.dead, s.ended = "", "", false
		s.refused, s.barred = time.Time{}, time.Time{}
	}
}

// detected takes in what BFD says; dead means that the peer was seen, and is not any more.
func (s *session) detected(d Detection) (dead bool) {
	if !s.detects() {
		return false
	}
	before := s.BFD
	s.BFDReason = d.Reason
	switch {
	case d.Up:
		s.BFD = up
	case d.Unknown || before == waiting:
		s.BFD = waiting
	default:
		s.BFD = down
	}
	if dead = before == up && s.BFD == down && !d.Signalled; dead {
		s.dead = "BFD finds the router gone: " + d.Reason
		s.why = s.dead
	}
	return dead
}

// barredFor is how long a router that sent too much is left alone: it would send it again,
// and each time others would have its paths for a moment.
const barredFor = time.Minute

// read takes in what the server counts. It says whether a router that sent too much is to be
// tried again.
func (s *session) read(r reading, now time.Time) (readmit bool) {
	s.Refused = r.received
	s.HoldTime = 0
	if s.State == announce.Established {
		s.HoldTime = r.holdTime
	}
	if !r.overfull {
		return false
	}
	s.why = fmt.Sprintf("the router sent more than %d prefixes, none of which is wanted: filter what it sends to this director", maxReceived)
	if s.barred.IsZero() {
		s.barred = now
	}
	if readmit = now.Sub(s.barred) >= barredFor; readmit {
		s.barred = time.Time{}
	}
	return readmit
}

// renews says whether a session that has ended is to begin anew at once: not with a router
// that is left alone for a while.
func (s *session) renews() bool {
	return (s.asked || s.ended) && s.State != announce.Established && s.barred.IsZero()
}

// refusalStays is for how long a reason of the two speakers' own stands before one that is
// the connection's alone: a router that refuses an OPEN message takes no connection for a
// while, or closes it at once, and says nothing of why any more.
const refusalStays = time.Minute

// explain takes in why no session comes about. refused says that it is one speaker's word on
// the other.
func (s *session) explain(why string, refused bool, now time.Time) {
	switch {
	case refused:
		s.refused = now
	case now.Sub(s.refused) < refusalStays:
		return
	}
	s.why = why
}

// settle says why the session is not established, and whether anything is different from
// what was told.
func (s *session) settle() (different bool) {
	switch {
	case s.State == announce.Established:
		s.Reason = ""
	case s.why != "":
		s.Reason = healthcheck.Printable(s.why)
	default:
		s.Reason = "not connected yet"
	}
	if s.Session == s.told {
		return false
	}
	s.told = s.Session
	return true
}

// unreachable says in words why no connection comes about, from the error of the dialler.
func (s *session) unreachable(problem string) string {
	p := s.peer
	to := fmt.Sprintf("port %d of the router", port(p))
	switch {
	case strings.Contains(problem, "refused"):
		return fmt.Sprintf("%s refuses connections: no BGP runs there, or it does not have this director as a neighbour", to)
	case strings.Contains(problem, "timeout") && p.Password != "":
		return fmt.Sprintf("%s does not answer: its TCP MD5 password is another one, or none (a wrong password looks like silence), or a packet filter is in the way", to)
	case strings.Contains(problem, "timeout"):
		return fmt.Sprintf("%s does not answer: it wants a TCP MD5 password (password_file), or a packet filter is in the way", to)
	case strings.Contains(problem, "no route to host"), strings.Contains(problem, "unreachable"):
		return "there is no way to the router: " + last(problem)
	case strings.Contains(problem, "cannot assign"):
		return fmt.Sprintf("the source address %s is not this machine's", p.Source)
	}
	return "no connection to the router: " + last(problem)
}

// last is the end of an error, which says what failed, without the addresses before it.
func last(problem string) string {
	if i := strings.LastIndex(problem, ": "); i >= 0 {
		return problem[i+2:]
	}
	return problem
}

// endedElsewhere says whether GoBGP says that a session ended by the router, or with the
// connection: nothing that this director did would end the next one.
func endedElsewhere(message string) bool {
	kind, _, _ := strings.Cut(message, " ")
	switch kind {
	case "hold-timer-expired", "notification-received", "read-failed", "write-failed":
		return true
	}
	return false
}

// disconnected says in words why GoBGP says that a session ended.
func disconnected(message string) string {
	kind, detail, _ := strings.Cut(message, " ")
	switch kind {
	case "hold-timer-expired":
		return "nothing came from the router within the hold time"
	case "notification-received":
		return "the router closed the session: " + detail
	case "notification-sent":
		return "this director closed the session: " + detail
	case "read-failed", "write-failed":
		return "the connection broke"
	case "admin-down":
		return "closed by this director"
	case "graceful-restart":
		return "the connection broke; the router may restart gracefully"
	case "bad-peer-as":
		return "the router has another autonomous system number than asn says"
	}
	return message
}
