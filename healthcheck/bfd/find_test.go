package bfd

import (
	"net/netip"
	"testing"
	"time"
)

// TestFind: packets of a neighbour that does not know our number yet are its
// session's by its address, and where the session has an interface, on that alone.
func TestFind(t *testing.T) {
	e := New(nil)
	watch := func(id uint64, p Peer) *session {
		p.MinTX, p.MinRX = time.Second, time.Second
		e.Watch(id, p, func(Change) {})
		return e.byID[id]
	}
	anywhere := watch(1, Peer{Address: netip.MustParseAddr("192.0.2.1")})
	onLoopback := watch(2, Peer{Address: netip.MustParseAddr("fe80::1"), Interface: "lo"})
	elsewhere := watch(3, Peer{Address: netip.MustParseAddr("fe80::1%none")})
	for _, tc := range []struct {
		from   string
		device int
		p      Packet
		want   *session
	}{
		{"192.0.2.1", 7, Packet{}, anywhere},
		{"192.0.2.2", 7, Packet{}, nil},
		{"fe80::1%lo", 1, Packet{}, onLoopback}, // the index of lo is 1 in every namespace
		{"fe80::1%eth0", 7, Packet{}, nil},
		{"fe80::1%eth0", 7, Packet{Yours: elsewhere.Discriminator()}, elsewhere},
	} {
		if got := e.find(netip.MustParseAddr(tc.from), tc.device, tc.p); got != tc.want {
			t.Errorf("a packet from %s on %d is for %+v", tc.from, tc.device, got)
		}
	}
	if p := elsewhere.peer; p.Interface != "none" || p.Address.Zone() != "" {
		t.Errorf("the zone of an address is not its interface: %+v", p)
	}
}
