package native

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"usher/director/announce"
	"usher/test/lab/labtest"
)

// The prefixes of the lab, and the communities that they have.
const (
	prefix4 = "192.0.2.10/32"
	prefix6 = "2001:db8::10/128"
	another = "192.0.2.11/32"

	ours announce.Community = 65000<<16 | 100
)

// TestBGP is the speaker with FRR and BIRD, by IPv4 and IPv6: what they see of what it
// announces, and what it says of them.
func TestBGP(t *testing.T) {
	l := suite.Three(t)
	frr, bird := frrRouter(t, l.B), birdRouter(t, l.C)
	s := startSpeaker(t, l.A)
	// 50 ms would do on a machine of one's own.
	detection := announce.BFD{MinTX: 200 * time.Millisecond, MinRX: 200 * time.Millisecond, Multiplier: 3}
	address := netip.MustParseAddr
	// FRR takes both families from its IPv4 session, BIRD has a session for each.
	frr4 := announce.Peer{
		Address: address("192.168.60.3"), ASN: 65000, HoldTime: 9 * time.Second, Password: "of-frr",
		NextHop6: address("fd00:60::2"), BFD: detection,
	}
	frr6 := announce.Peer{Address: address("fd00:60::3"), ASN: 65000, HoldTime: 9 * time.Second, TTLSecurity: true}
	bird4 := announce.Peer{Address: address("192.168.60.4"), ASN: 65000, HoldTime: 9 * time.Second, Password: "not it", TTLSecurity: true}
	bird6 := announce.Peer{Address: address("fd00:60::4"), ASN: 65000, HoldTime: 9 * time.Second, BFD: detection}

	s.configure(frr4, bird4, bird6)
	s.announce(prefix4, 0, ours)
	s.announce(prefix6, 0, ours)
	s.established(frr4, bird6)
	frr.table(true, time.Time{}, prefix4, prefix6)
	bird.table(true, time.Time{}, prefix6)
	frr.shows("show bgp ipv4 unicast "+prefix4, "65000:100", "192.168.60.2 from 192.168.60.2")
	frr.shows("show bgp ipv6 unicast "+prefix6, "65000:100", "fd00:60::2 from 192.168.60.2")
	bird.shows("show route "+prefix6+" all", "BGP.community: (65000,100)", "BGP.next_hop: fd00:60::2")
	s.await("prefixes that are sent and refused", frr4.Address, func(n announce.Session) bool { return n.Refused > 0 && n.IPv4 && n.IPv6 })

	// A wrong password is silence, and is said.
	s.await("no session, and a word on the password", bird4.Address, func(n announce.Session) bool {
		return n.State != announce.Established && strings.Contains(n.Reason, "password")
	})
	if text := s.process.Tail(10_000); strings.Contains(text, frr4.Password) || strings.Contains(text, bird4.Password) {
		t.Error("a password is in the log")
	}

	// A reload that mends the password, adds a peer and a prefix: other sessions go on.
	before := []announce.Session{s.session(frr4.Address), s.session(bird6.Address)}
	bird4.Password = "of bird"
	s.configure(frr4, bird4, bird6, frr6)
	s.announce(another, 0)
	s.established(frr4, frr6, bird4, bird6)
	frr.table(true, time.Time{}, another)
	bird.table(true, time.Time{}, prefix4, another)
	frr.shows("show bgp ipv6 unicast "+prefix6, "2 available")
	for _, b := range before {
		if now := s.session(b.Peer); !now.Since.Equal(b.Since) {
			t.Errorf("the session with %s did not go on: %+v, was %+v", b.Peer, now, b)
		}
	}

	// Graceful shutdown, then the withdrawal.
	s.announce(prefix4, 100, ours, announce.GracefulShutdown)
	frr.shows("show bgp ipv4 unicast "+prefix4, "graceful-shutdown", "metric 100", "localpref 0")
	bird.shows("show route "+prefix4+" all", "(65535,0)", "BGP.med: 100")
	begun := time.Now()
	s.withdraw(prefix4)
	t.Logf("a withdrawal changed the table of FRR after %s, of BIRD after %s", frr.table(false, begun, prefix4), bird.table(false, begun, prefix4))
	s.withdraw(prefix4) // again, which changes nothing
	s.announce(prefix4, 0, ours)
	frr.table(true, begun, prefix4)
	bird.table(true, begun, prefix4)

	// The director's power is gone: nobody says anything any more.
	begun = time.Now()
	labtest.Must(t, l.Cut(l.A, "eth0"))
	t.Logf("a cut link changed the table of FRR after %s (IPv4, BFD 3 x 200 ms)", frr.table(false, begun, prefix4))
	bird.shows("show protocols six", "BFD")
	s.await("BFD that finds the router gone", frr4.Address, func(n announce.Session) bool {
		return n.State != announce.Established && n.BFD == "down" && strings.Contains(n.Reason, "gone")
	})
	labtest.Must(t, l.Mend(l.A, "eth0"))
	s.established(frr4, frr6, bird4, bird6)
	frr.table(true, begun, prefix4, prefix6, another)
	bird.table(true, begun, prefix4, prefix6, another)

	// A planned stop says that it is one.
	begun = time.Now()
	labtest.Must(t, s.process.Stop())
	t.Logf("a stop changed the table of FRR after %s, of BIRD after %s", frr.table(false, begun, prefix4, prefix6), bird.table(false, begun, prefix4, prefix6))
	bird.shows("show protocols all four", "Received: Administrative shutdown")
}
