package bgp

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/osrg/gobgp/v4/api"
	"github.com/osrg/gobgp/v4/pkg/apiutil"
	"github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"usher/director/announce"
)

// TestResetOfTheEnded: the notification for a session that ends by itself at the very moment
// that BFD has it reset does not end the next one.
//
// Tests with a GoBGP in them do not run in parallel: its options of the path selection are
// variables of a package, which each server that starts writes.
func TestResetOfTheEnded(t *testing.T) {
	r := startRouter(t, "127.0.0.4")
	s := start(t, Options{BFD: &detector{reports: map[netip.Addr]func(Detection){}}})
	peer := r.peer
	peer.BFD = announce.BFD{MinTX: 50 * time.Millisecond, MinRX: 50 * time.Millisecond, Multiplier: 3}
	if err := s.Configure(own, []announce.Peer{peer}); err != nil {
		t.Fatal(err)
	}
	if err := s.Announce(announce.Path{Prefix: host4}); err != nil {
		t.Fatal(err)
	}
	var ses *session
	s.update(func() { // GoBGP has no session yet: it is as if it had just ended
		ses = s.sessions[peer.Address]
		ses.State, ses.BFD = announce.Established, down
	})
	s.resets <- peer.Address
	await(t, "that GoBGP is asked for the reset", func() bool {
		s.Speaker.mu.Lock()
		defer s.Speaker.mu.Unlock()
		return ses.asked || ses.State != announce.Established
	})
	s.server.heard(&apiutil.WatchEventMessage_PeerEvent{Type: apiutil.PEER_EVENT_STATE, Peer: apiutil.Peer{State: apiutil.PeerState{
		NeighborAddress: peer.Address, SessionState: bgp.BGP_FSM_IDLE, DisconnectMessage: "read-failed",
	}}})
	await(t, "the next session, with something from either side", func() bool {
		s.look()
		return s.Sessions()[0].Refused == 1 && r.attribute(host4, bgp.BGP_ATTR_TYPE_ORIGIN) != ""
	})
	s.stop()
	if err := <-s.ended; err != nil {
		t.Errorf("Run ended with %v", err)
	}
	await(t, "the end at the router", func() bool { return len(r.ends()) > 0 })
	if ends := r.ends(); !strings.Contains(ends[0], "administrative shutdown") {
		t.Errorf("the session ended by %q, want the planned end alone", ends)
	}
}

// TestEndedByTheRouter: the session after one that the router ended is not left to GoBGP, which
// idles for 5 s then.
func TestEndedByTheRouter(t *testing.T) {
	r := startRouter(t, "127.0.0.5")
	s := start(t, Options{})
	if err := s.Configure(own, []announce.Peer{r.peer}); err != nil {
		t.Fatal(err)
	}
	established := func() bool { return s.Sessions()[0].State == announce.Established }
	await(t, "a session", established)
	ctx := t.Context()
	if err := r.bgp.ResetPeer(ctx, &api.ResetPeerRequest{Address: "127.0.0.2"}); err != nil {
		t.Fatal(err)
	}
	await(t, "its end, and the next one", func() bool { return s.Sessions()[0].Flaps == 1 && established() })
	var opens []uint64
	err := s.server.bgp.ListPeer(ctx, &api.ListPeerRequest{}, func(p *api.Peer) {
		opens = append(opens, p.GetState().GetMessages().GetReceived().GetOpen())
	})
	if err != nil || len(opens) != 1 || opens[0] != 1 {
		t.Errorf("OPEN messages of GoBGP's peer: %v (%v); want one, of a peer that was begun anew", opens, err)
	}
}
