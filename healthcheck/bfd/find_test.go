package bfd

import (
	"net/netip"
	"testing"
	"time"
)

// TestFind: packets of a neighbour that does not know our number yet are its
// session's by its address, and where the session has an interface or a source, on that
// alone.
func TestFind(t *testing.T) {
	e := New(nil)
	watch := func(id uint64, p Peer) *session {
		p.MinTX, p.MinRX = time.Second, time.Second
		e.Watch(id, p, func(Change) {})
		return e.watchers[id].session
	}
	anywhere := watch(1, Peer{Address: netip.MustParseAddr("192.0.2.1")})
	onLoopback := watch(2, Peer{Address: netip.MustParseAddr("fe80::1"), Interface: "lo"})
	elsewhere := watch(3, Peer{Address: netip.MustParseAddr("fe80::1%none")})
	left := watch(4, Peer{Address: netip.MustParseAddr("192.0.2.9"), Source: netip.MustParseAddr("198.51.100.1")})
	right := watch(5, Peer{Address: netip.MustParseAddr("192.0.2.9"), Source: netip.MustParseAddr("198.51.100.2")})
	for _, tc := range []struct {
		from, to string
		device   int
		p        Packet
		want     *session
	}{
		{"192.0.2.1", "198.51.100.1", 7, Packet{}, anywhere},
		{"192.0.2.2", "198.51.100.1", 7, Packet{}, nil},
		{"fe80::1%lo", "fe80::2", 1, Packet{}, onLoopback}, // the index of lo is 1 in every namespace
		{"fe80::1%eth0", "fe80::2", 7, Packet{}, nil},
		{"fe80::1%eth0", "fe80::2", 7, Packet{Yours: elsewhere.Discriminator()}, elsewhere},
		{"192.0.2.9", "198.51.100.1", 7, Packet{}, left},
		{"192.0.2.9", "198.51.100.2", 7, Packet{}, right},
		{"192.0.2.9", "198.51.100.3", 7, Packet{}, nil},
	} {
		a := arrival{from: netip.MustParseAddr(tc.from), to: netip.MustParseAddr(tc.to), device: tc.device}
		if got := e.find(a, tc.p); got != tc.want {
			t.Errorf("a packet from %s to %s on %d is for %+v", tc.from, tc.to, tc.device, got)
		}
	}
	if p := elsewhere.peer; p.Interface != "none" || p.Address.Zone() != "" {
		t.Errorf("the zone of an address is not its interface: %+v", p)
	}
}
