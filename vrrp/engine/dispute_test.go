package engine

import (
	"net/netip"
	"testing"
	"time"

	"usher/vrrp"
	"usher/vrrp/packet"
)

// TestRFC9568_6_4_3_Dispute: two routers of one priority, between which addresses are
// translated so that each seems to go before the other, never agree. Each answers
// the other at once, but not without end: at most three adverts in an interval,
// and three more in the first.
func TestRFC9568_6_4_3_Dispute(t *testing.T) {
	const intervals = 10
	var routers []*bench
	for range 2 {
		b := newBench(t)
		b.e.Apply(b.now, desired(web()))
		b.run(4 * time.Second)
		b.is("web", vrrp.Active)
		b.sent = nil
		routers = append(routers, b)
	}
	read := [2]int{}
	end := start.Add(4*time.Second + intervals*time.Second)
	for now := start.Add(4 * time.Second); now.Before(end); now = now.Add(100 * time.Microsecond) {
		for i, b := range routers {
			b.run(now.Sub(start))
			for peer := routers[1-i]; read[i] < len(peer.sent); read[i]++ {
				out := peer.sent[read[i]]
				b.e.Receive(b.now, Incoming{Index: 2, Source: netip.MustParseAddr("192.0.2.1"), Destination: out.Destination, TTL: 255, Payload: rewritten(out)})
			}
		}
	}
	for i, b := range routers {
		if n := len(b.sent); n > 3*intervals+3 {
			t.Errorf("router %d sent %d adverts in %d intervals", i, n, intervals)
		}
		if s := b.status("web"); s.SplitBrain == nil || s.State != vrrp.Active {
			t.Errorf("router %d: %+v", i, s)
		}
	}
}

// TestRFC9568_6_4_3_HonestContenders: however many routers were active apart from this
// one, the first answer settles it for each that hears it: none waits.
func TestRFC9568_6_4_3_HonestContenders(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, desired(web()))
	b.run(10 * time.Second)
	for i := range 50 {
		b.run(10*time.Second + time.Duration(i)*5*time.Second)
		b.sent = nil
		b.hear("192.0.2.7", advertOf(web(), false, 90))
		if len(b.sent) != 1 {
			t.Fatalf("contender %d got %d adverts at once, want 1", i, len(b.sent))
		}
	}
}

// rewritten is an advert with its checksum made anew for the translated source.
func rewritten(out Outgoing) []byte {
	a, _, _ := packet.Parse(out.Payload, out.Source, out.Destination)
	return packet.Append(nil, a, netip.MustParseAddr("192.0.2.1"), out.Destination, packet.FormPseudoHeader)
}
