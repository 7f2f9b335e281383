package packet

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"usher/vrrp"
)

// The keys of the draft's vectors and of the captures.
var (
	plainKey  = count(32, 1, 0)
	longKey   = count(64, 7, 3)
	phraseKey = []byte("correct-horse-battery-staple-0123456789+")
)

func count(n, step, from int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(step*i + from)
	}
	return b
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSign_Vectors: the first two are those of draft-cassen-vrrp-auth-hmac, the others
// were sent by keepalived 2.4.3.
func TestSign_Vectors(t *testing.T) {
	for _, c := range []struct {
		name, src string
		id        uint8
		key       []byte
		msg, head string
		tag       string
	}{
		{"version 3, IPv4", "198.51.100.10", 1, plainKey, "3133c80100644402c0000264", "010100006800000080000000", "1b84bc4e8e43892dc6d98448f8ee2265"},
		{"version 3, IPv6", "fe80::10", 1, plainKey, "3133c8010064a2e9fe800000000000000000000000000100", "010100006800000080000000", "c8c56146ebfd66ee10ec4d8186461b78"},
		{"version 2, IPv4", "198.51.100.10", 2, plainKey, "2133c802000191fec0000264c00002650000000000000000", "010200006b0d1a18e7a20000", "f1e8425fa81b523d2518fbff2f544419"},
		{"version 3, IPv4, a phrase", "198.51.100.10", 7, phraseKey, "3133c8010064eeffc0000264", "010700006b0d1a0969190000", "45fefa55ad1e19c6119effb0e51c7775"},
		{"version 3, IPv6, 64 bytes", "fe80::10", 255, longKey, "3133c8020064c54ffe80000000000000000000000000010020010db8000000000000000000000100", "01ff00006b0d1a10984f0000", "3f32ae47f57d908b1508d3fd99d5feb6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			msg, head := unhex(t, c.msg), unhex(t, c.head)
			want, ok := ReadTrailer(slices.Concat(head, unhex(t, c.tag)))
			if !ok {
				t.Fatal("no trailer")
			}
			key := NewKey(vrrp.HMACKey{ID: c.id, Secret: c.key})
			src := netip.MustParseAddr(c.src)
			s := vrrp.Sequence(binary.BigEndian.Uint64(head[4:]))
			if got := key.Sign(msg, src, s); got != want {
				t.Errorf("got % x\nwant % x", got, want)
			}
			if want.KeyID() != c.id || want.Sequence() != s || !key.Verify(msg, &want, src) {
				t.Errorf("key %d, sequence %x, verified %v", want.KeyID(), want.Sequence(), key.Verify(msg, &want, src))
			}
			for name, altered := range map[string]func(msg []byte, tr *Trailer, src *netip.Addr){
				"priority":      func(m []byte, _ *Trailer, _ *netip.Addr) { m[2] ^= 1 },
				"address":       func(m []byte, _ *Trailer, _ *netip.Addr) { m[len(m)-1] ^= 1 },
				"time":          func(_ []byte, tr *Trailer, _ *netip.Addr) { tr[7] ^= 1 },
				"counter":       func(_ []byte, tr *Trailer, _ *netip.Addr) { tr[11] ^= 1 },
				"last tag byte": func(_ []byte, tr *Trailer, _ *netip.Addr) { tr[27] ^= 1 },
				"source":        func(_ []byte, _ *Trailer, a *netip.Addr) { *a = a.Next() },
			} {
				m, tr, from := bytes.Clone(msg), want, src
				altered(m, &tr, &from)
				if key.Verify(m, &tr, from) {
					t.Errorf("another %s goes unnoticed", name)
				}
			}
			msg[6] ^= 0xff // the checksum is not hashed
			if !key.Verify(msg, &want, src) {
				t.Error("depends on the checksum")
			}
		})
	}
}

// sighted is one advert of a capture.
type sighted struct {
	src, dst netip.Addr
	payload  []byte
}

// capture reads a capture of Ethernet frames.
func capture(t *testing.T, name string) (all []sighted) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for b = b[24:]; len(b) > 0; {
		n := binary.LittleEndian.Uint32(b[8:])
		frame := b[16 : 16+n]
		b = b[16+n:]
		var s sighted
		if ip := frame[14:]; ip[0]>>4 == 4 {
			s.src, s.dst = netip.AddrFrom4([4]byte(ip[12:16])), netip.AddrFrom4([4]byte(ip[16:20]))
			s.payload = ip[20:binary.BigEndian.Uint16(ip[2:])]
		} else {
			s.src, s.dst = netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[24:40]))
			s.payload = ip[40 : 40+binary.BigEndian.Uint16(ip[4:])]
		}
		all = append(all, s)
	}
	return all
}

// TestCaptures reads and verifies what keepalived 2.4.3 sent, and makes each advert anew,
// to the byte.
func TestCaptures(t *testing.T) {
	for _, c := range []struct {
		file     string
		id       uint8
		key      []byte
		version  uint8
		priority uint8
		adverts  int
	}{
		{"v3m4.pcap", 1, plainKey, 3, 200, 4},
		{"v3m4-prio0.pcap", 1, plainKey, 3, 0, 1},
		{"v3u4.pcap", 7, phraseKey, 3, 200, 4},
		{"v3m6.pcap", 255, longKey, 3, 200, 4},
		{"v3u6.pcap", 1, plainKey, 3, 200, 4},
		{"v2m4.pcap", 2, plainKey, 2, 200, 4},
	} {
		t.Run(c.file, func(t *testing.T) {
			key := NewKey(vrrp.HMACKey{ID: c.id, Secret: c.key})
			seen := capture(t, c.file)
			last := seen[len(seen)-1]
			for _, s := range seen {
				msg, b, reason := Split(s.payload, s.dst.Is6())
				trailer, ok := ReadTrailer(b)
				if reason != vrrp.DiscardNone || !ok || trailer.KeyID() != c.id || !key.Verify(msg, &trailer, s.src) {
					t.Fatalf("%x: %q, trailer %v of key %d does not verify", s.payload, reason, ok, trailer.KeyID())
				}
				a, form, reason := Parse(s.payload, s.src, s.dst)
				if reason != vrrp.DiscardNone || a.Version != c.version || a.VRID != 51 {
					t.Fatalf("%x: %q, %+v", s.payload, reason, a)
				}
				again := Append([]byte("before"), a, s.src, s.dst, form)
				signed := key.Sign(again[6:], s.src, trailer.Sequence())
				again = AppendTrailer(again, 6, &signed, s.src, s.dst)
				if !bytes.Equal(again[6:], s.payload) {
					t.Errorf("made anew % x\nwas       % x", again[6:], s.payload)
				}
				s.payload[6] ^= 1
				if _, _, reason := Parse(s.payload, s.src, s.dst); reason != vrrp.DiscardChecksum {
					t.Errorf("with another checksum: %q", reason)
				}
			}
			if a, _, _ := Parse(capture(t, c.file)[len(seen)-1].payload, last.src, last.dst); a.Priority != c.priority || len(seen) < c.adverts {
				t.Errorf("the last of %d has priority %d", len(seen), a.Priority)
			}
		})
	}
}

// TestSplit: length alone announces a trailer.
func TestSplit(t *testing.T) {
	for _, c := range []struct {
		name  string
		extra int
		want  vrrp.Discard
	}{
		{"none", 0, vrrp.DiscardNone},
		{"trailer", 28, vrrp.DiscardNone},
		{"27 bytes", 27, vrrp.DiscardLength},
		{"29 bytes", 29, vrrp.DiscardLength},
		{"two trailers", 56, vrrp.DiscardLength},
	} {
		for _, a := range []Advert{advert2(), advert3(), advert6()} {
			src, dst := src4, dst4
			if a.Addresses[0].Is6() {
				src, dst = src6, dst6
			}
			plain := Append(nil, a, src, dst, FormMessage)
			msg, trailer, reason := Split(append(plain, make([]byte, c.extra)...), dst.Is6())
			if reason != c.want || reason == "" && (len(msg) != len(plain) || len(trailer) != c.extra) {
				t.Errorf("%s: %q, %d and %d bytes", c.name, reason, len(msg), len(trailer))
			}
		}
	}
}

// TestReadTrailer: what another scheme means is not known, and reserved bits are zero.
func TestReadTrailer(t *testing.T) {
	good := NewKey(vrrp.HMACKey{ID: 1, Secret: plainKey}).Sign(make([]byte, 12), src4, 1)
	if _, ok := ReadTrailer(good[:]); !ok {
		t.Error("a good one is refused")
	}
	for _, at := range []int{0, 2, 3} {
		bad := good
		bad[at] ^= 0x80
		if _, ok := ReadTrailer(bad[:]); ok {
			t.Errorf("byte %d may be anything", at)
		}
	}
}

// FuzzTrailer: no bytes make reading or verifying fail otherwise than by its answer, and
// none is taken that the key did not sign.
func FuzzTrailer(f *testing.F) {
	key := NewKey(vrrp.HMACKey{ID: 1, Secret: plainKey})
	signed := func(a Advert, src, dst netip.Addr) []byte {
		b := Append(nil, a, src, dst, FormPseudoHeader)
		t := key.Sign(b, src, vrrp.SequenceAt(time.Unix(1, 0)))
		return AppendTrailer(b, 0, &t, src, dst)
	}
	f.Add(signed(advert3(), src4, dst4), false)
	f.Add(signed(advert2(), src4, dst4), false)
	f.Add(signed(advert6(), src6, dst6), true)
	f.Fuzz(func(t *testing.T, b []byte, v6 bool) {
		src, dst := src4, dst4
		if v6 {
			src, dst = src6, dst6
		}
		msg, rest, reason := Split(b, v6)
		if reason != vrrp.DiscardNone || rest == nil {
			return
		}
		tr, ok := ReadTrailer(rest)
		if !ok || !key.Verify(msg, &tr, src) {
			return
		}
		if again := key.Sign(msg, src, tr.Sequence()); tr.KeyID() == 1 && again != tr {
			t.Errorf("%x verifies, and is signed as %x", tr, again)
		}
		if _, _, reason := Parse(b, src, dst); reason == vrrp.DiscardLength {
			t.Errorf("%x: split, and not read", b)
		}
	})
}

// BenchmarkHMAC is what the trailer costs an advert of one address: signed once by who
// sends it, verified once by who hears it.
func BenchmarkHMAC(b *testing.B) {
	key := NewKey(vrrp.HMACKey{ID: 1, Secret: plainKey})
	buf := make([]byte, 0, 128)
	plain := Append(nil, advert3(), src4, dst4, FormPseudoHeader)
	b.ReportAllocs()
	s := vrrp.SequenceAt(time.Unix(1<<30, 0))
	for b.Loop() {
		s++
		t := key.Sign(plain, src4, s)
		buf = AppendTrailer(append(buf[:0], plain...), 0, &t, src4, dst4)
		msg, rest, _ := Split(buf, false)
		got, ok := ReadTrailer(rest)
		if !ok || !key.Verify(msg, &got, src4) {
			b.Fatal("not verified")
		}
	}
}
