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

// TestRFC9568_6_4_3_HealedCut: two routers that were active apart, as a fault within a
// switch makes them, settle it by the first advert of either that the other hears. That
// is due within an interval, whatever lies between their timers, and no sooner: nothing
// tells a router that somebody can hear it again.
func TestRFC9568_6_4_3_HealedCut(t *testing.T) {
	longest := time.Duration(0)
	for apart := time.Duration(0); apart < time.Second; apart += 100 * time.Millisecond {
		for healed := 10 * time.Second; healed < 11*time.Second; healed += 100 * time.Millisecond {
			lasted := healedCut(t, apart, healed)
			if longest = max(longest, lasted); lasted > time.Second+2*healStep {
				t.Errorf("with timers %v apart both hold the address for %v", apart, lasted)
			}
		}
	}
	if longest < 900*time.Millisecond {
		t.Errorf("both hold the address for %v at most: the test does not see the worst", longest)
	}
}

const healStep = time.Millisecond

// healedCut starts two routers at some time from each other, cuts the network, which
// heals once both are active, and gives how long both hold the address from then on.
func healedCut(t *testing.T, apart, healed time.Duration) (lasted time.Duration) {
	t.Helper()
	var routers [2]*bench
	for i, priority := range []uint8{150, 100} {
		b := newBench(t)
		b.run(time.Duration(i) * apart)
		cfg := web()
		cfg.Priority = priority
		b.e.Apply(b.now, desired(cfg))
		if i == 1 { // before the cut
			b.hear("192.0.2.1", advertOf(web(), false, 150))
		}
		b.run(healed)
		b.is("web", vrrp.Active)
		b.sent = nil
		routers[i] = b
	}
	read := [2]int{}
	exchange := func() {
		for i, b := range routers {
			b.run(healed + lasted)
			for peer := routers[1-i]; read[i] < len(peer.sent); read[i]++ {
				out := peer.sent[read[i]]
				b.e.Receive(b.now, Incoming{Index: 2, Source: netip.MustParseAddr("192.0.2.1"), Destination: out.Destination, TTL: 255, Payload: rewritten(out)})
			}
		}
	}
	for ; routers[1].held["web"] && lasted <= time.Minute; lasted += healStep {
		exchange()
	}
	exchange()
	routers[0].is("web", vrrp.Active)
	routers[1].is("web", vrrp.Backup)
	// Which of them was heard first is chance; it is told, and by the one that stays.
	routers[0].wants("split_brain: web: another active router: 192.0.2.1")
	routers[1].never("split_brain")
	return lasted
}

// rewritten is an advert with its checksum made anew for the translated source.
func rewritten(out Outgoing) []byte {
	a, _, _ := packet.Parse(out.Payload, out.Source, out.Destination)
	return packet.Append(nil, a, netip.MustParseAddr("192.0.2.1"), out.Destination, packet.FormPseudoHeader)
}
