package engine

import (
	"net/netip"
	"testing"
	"time"

	"usher/vrrp"
	"usher/vrrp/packet"
)

// FuzzReceive: whatever comes from the wire is either counted as received or as
// discarded, never both, and what is discarded leaves the machine as it was.
func FuzzReceive(f *testing.F) {
	src, dst := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("224.0.0.18")
	for _, priority := range []uint8{0, 99, 100, 200} {
		f.Add(packet.Append(nil, advertOf(web(), false, priority), src, dst, packet.FormMessage), uint8(255), true, false)
	}
	f.Add(packet.Append(nil, advertOf(web(), false, 200), src, dst, packet.FormPseudoHeader), uint8(1), false, false)
	f.Add([]byte{0x31}, uint8(255), true, true)
	f.Fuzz(func(t *testing.T, payload []byte, ttl uint8, active, own bool) {
		b := newBench(t)
		b.e.Apply(b.now, desired(web()))
		if active {
			b.run(4 * time.Second)
		}
		msg := Incoming{Index: 2, Source: src, Destination: dst, TTL: ttl, Payload: payload}
		if own {
			msg.Source = netip.MustParseAddr("192.0.2.5")
		}
		m := b.e.instances[0].m
		b.e.Receive(b.now, msg)
		s := b.status("web").Stats
		discarded := uint64(0)
		for _, n := range s.Discarded {
			discarded += n
		}
		if s.AdvertsReceived+discarded != 1 {
			t.Errorf("received %d, discarded %v", s.AdvertsReceived, s.Discarded)
		}
		if discarded == 1 && b.e.instances[0].m != m {
			t.Errorf("discarded for %v, and the machine changed", s.Discarded)
		}
		if state := b.status("web").State; b.held["web"] != (state == vrrp.Active) {
			t.Errorf("%v, addresses held: %v", state, b.held["web"])
		}
	})
}
