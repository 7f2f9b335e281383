package native

import (
	"net/netip"
	"testing"
	"time"

	"usher/director/announce"
	"usher/test/lab/labtest"
)

// TestGracefulRestart: with graceful_restart FRR and BIRD go on sending to a director whose
// process was killed until it has a session again; without, they take its routes out at
// once.
func TestGracefulRestart(t *testing.T) {
	l := suite.Three(t)
	frr, bird := frrRouter(t, l.B), birdRouter(t, l.C)
	peers := []announce.Peer{
		{Address: netip.MustParseAddr("192.168.60.3"), ASN: 65000, HoldTime: 9 * time.Second, Password: "of-frr"},
		{Address: netip.MustParseAddr("192.168.60.4"), ASN: 65000, HoldTime: 9 * time.Second, Password: "of bird", TTLSecurity: true},
	}
	begin := func(restart time.Duration) *bgpSpeaker {
		t.Helper()
		s := startSpeaker(t, l.A)
		s.local.GracefulRestart = restart
		s.configure() // what is announced is there before a session is
		s.announce(prefix4, 0, ours)
		return s
	}
	meet := func(s *bgpSpeaker) {
		t.Helper()
		s.configure(peers...)
		s.established(peers...)
		frr.table(true, time.Time{}, prefix4)
		bird.table(true, time.Time{}, prefix4)
		frr.shows("show bgp ipv4 unicast "+prefix4, "65000:100")
	}
	const long = time.Minute
	s := begin(long)
	meet(s)

	killed := time.Now()
	labtest.Must(t, s.process.Kill())
	s = begin(long)
	frr.shows("show bgp ipv4 unicast "+prefix4, "stale")
	bird.shows("show protocols all four", "Neighbor graceful restart active")
	for _, r := range []*bgpRouter{frr, bird} {
		if !r.kept(prefix4, killed) {
			t.Errorf("%s took %s out though the director may restart", r.node.Name, prefix4)
		}
	}
	meet(s)

	s.local.GracefulRestart = 0
	meet(s)
	killed = time.Now()
	labtest.Must(t, s.process.Kill())
	t.Logf("without it, gone from FRR after %s, from BIRD after %s", frr.table(false, killed, prefix4), bird.table(false, killed, prefix4))
}
