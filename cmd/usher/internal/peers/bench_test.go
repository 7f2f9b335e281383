package peers

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"usher/cmd/usher/internal/peers/share"
	"usher/director"
)

// BenchmarkForeign is what a packet of a stranger costs, of which packetsRead are looked
// at in a second.
func BenchmarkForeign(b *testing.B) {
	g := newGuard(func(Refused) {})
	if err := g.read([][]byte{[]byte("0123456789abcdef0123456789abcdef"), []byte("fedcba9876543210fedcba9876543210")}); err != nil {
		b.Fatal(err)
	}
	text := make([]byte, 1300)
	rand.Read(text)
	text[0] = cipherVersion
	for b.Loop() {
		g.refuse(g.packet(text), netip.AddrPort{}, 1)
	}
}

// BenchmarkState is what a state with as many overrides as there can be costs to read and
// to merge; bytesTaken bounds how many bytes of such are taken in a second.
func BenchmarkState(b *testing.B) {
	now := time.Now()
	s := share.New("lb1")
	for i := range share.MaxEntries {
		k := share.Key{VirtualServer: fmt.Sprint("virtual server ", i/10), RealServer: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80)}
		if _, err := s.Say(k, director.Override{Mode: director.OverrideDrain, Since: now, By: "root"}, now); err != nil {
			b.Fatal(err)
		}
	}
	text := s.State().Encode(now)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	other := share.New("lb2")
	for b.Loop() {
		m, _, err := share.Decode(text, now)
		if err != nil {
			b.Fatal(err)
		}
		other.Take(m, now)
	}
}
