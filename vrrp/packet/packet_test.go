package packet

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/vrrp"
)

var (
	src4, dst4 = netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("224.0.0.18")
	src6, dst6 = netip.MustParseAddr("fe80::2"), netip.MustParseAddr("ff02::12")
)

func advert3() Advert {
	return Advert{Version: 3, VRID: 51, Priority: 100, Interval: time.Second, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.10")}}
}

func advert6() Advert {
	a := advert3()
	a.Addresses = []netip.Addr{netip.MustParseAddr("fe80::10"), netip.MustParseAddr("2001:db8::10")}
	return a
}

func advert2() Advert {
	a := advert3()
	a.Version, a.Text, a.Password = 2, true, Password("secret")
	return a
}

// TestAppend holds the bytes of adverts, checksums worked out by hand
// (RFC 9568 section 5.1, RFC 3768 section 5.1).
func TestAppend(t *testing.T) {
	for _, c := range []struct {
		name     string
		a        Advert
		src, dst netip.Addr
		form     Form
		want     string
	}{
		{"RFC 9568 5.2.8 message only", advert3(), src4, dst4, FormMessage, "31 33 64 01 00 64 a8 5c c0 00 02 0a"},
		{"RFC 5798 5.2.8 pseudo-header", advert3(), src4, dst4, FormPseudoHeader, "31 33 64 01 00 64 05 cb c0 00 02 0a"},
		{"RFC 3768 5.3 with text authentication", advert2(), src4, dst4, FormMessage, "21 33 64 01 01 01 7b 73 c0 00 02 0a 73 65 63 72 65 74 00 00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Append(nil, c.a, c.src, c.dst, c.form)
			want, err := hex.DecodeString(strings.ReplaceAll(c.want, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got % x\nwant % x", got, want)
			}
		})
	}
}

func TestRoundTrip(t *testing.T) {
	for _, c := range []struct {
		a        Advert
		src, dst netip.Addr
		form     Form
	}{
		{advert3(), src4, dst4, FormMessage},
		{advert3(), src4, dst4, FormPseudoHeader},
		{advert2(), src4, dst4, FormPseudoHeader},
		{advert6(), src6, dst6, FormPseudoHeader},
	} {
		got, form, reason := Parse(Append(nil, c.a, c.src, c.dst, c.form), c.src, c.dst)
		if reason != vrrp.DiscardNone || form != c.form || !same(got, c.a) {
			t.Errorf("%+v came back as %+v, form %d, reason %q", c.a, got, form, reason)
		}
	}
}

// TestParse_Reserved: RFC 9568 section 5.2.6: the Reserve field is ignored on reception.
func TestParse_Reserved(t *testing.T) {
	b := Append(nil, advert3(), src4, dst4, FormMessage)
	b[4] |= 0xf0
	b[6], b[7] = 0, 0
	sum := checksum(b, 0)
	b[6], b[7] = byte(sum>>8), byte(sum)
	if got, _, reason := Parse(b, src4, dst4); reason != vrrp.DiscardNone || !same(got, advert3()) {
		t.Errorf("read as %+v, reason %q", got, reason)
	}
}

func same(a, b Advert) bool {
	x, y := a.Addresses, b.Addresses
	a.Addresses, b.Addresses = nil, nil
	return a.Version == b.Version && a.VRID == b.VRID && a.Priority == b.Priority && a.Interval == b.Interval &&
		a.Text == b.Text && a.Password == b.Password && slices.Equal(x, y)
}

// TestParse_Discards names each malformed message by the clause that forbids it.
func TestParse_Discards(t *testing.T) {
	change := func(a Advert, dst netip.Addr, f func(b []byte) []byte) []byte {
		src := src4
		if dst.Is6() {
			src = src6
		}
		b := f(Append(nil, a, src, dst, FormPseudoHeader))
		if len(b) >= 8 { // with the checksum made right again, only the change itself is wrong
			b[6], b[7] = 0, 0
			sum := checksum(b, pseudo(b[0]>>4, src, dst, len(b), FormPseudoHeader))
			b[6], b[7] = byte(sum>>8), byte(sum)
		}
		return b
	}
	set := func(i int, v byte) func([]byte) []byte {
		return func(b []byte) []byte { b[i] = v; return b }
	}
	for _, c := range []struct {
		name string
		b    []byte
		dst  netip.Addr
		want vrrp.Discard
	}{
		{"RFC 9568 7.1 shorter than the header", []byte{0x31, 51, 100}, dst4, vrrp.DiscardLength},
		{"RFC 9568 7.1 empty", nil, dst4, vrrp.DiscardLength},
		{"RFC 9568 7.1 version 4", change(advert3(), dst4, set(0, 0x41)), dst4, vrrp.DiscardVersion},
		{"RFC 3768 is for IPv4", change(advert6(), dst6, set(0, 0x21)), dst6, vrrp.DiscardVersion},
		{"RFC 9568 5.2.2 type 2", change(advert3(), dst4, set(0, 0x32)), dst4, vrrp.DiscardType},
		{"RFC 9568 7.1 less than Count says", change(advert3(), dst4, set(3, 2)), dst4, vrrp.DiscardLength},
		{"RFC 9568 7.1 more than Count says", change(advert3(), dst4, func(b []byte) []byte { return append(b, 0, 0, 0, 0) }), dst4, vrrp.DiscardLength},
		{"no address, which is the receiver's to judge", change(advert3(), dst4, func(b []byte) []byte { b[3] = 0; return b[:8] }), dst4, vrrp.DiscardNone},
		{"no address, but bytes of one", change(advert3(), dst4, set(3, 0)), dst4, vrrp.DiscardLength},
		{"first address not link-local, as keepalived sends it", change(advert6(), dst6, set(8, 0x20)), dst6, vrrp.DiscardNone},
		{"erratum 8301 interval 0", change(advert3(), dst4, func(b []byte) []byte { b[4], b[5] = 0, 0; return b }), dst4, vrrp.DiscardInterval},
		{"RFC 3768 5.3.6 authentication type 2", change(advert2(), dst4, set(4, 2)), dst4, vrrp.DiscardAuthType},
		{"RFC 3768 7.1 interval 0", change(advert2(), dst4, set(5, 0)), dst4, vrrp.DiscardInterval},
		{"RFC 9568 7.1 checksum", func() []byte {
			b := Append(nil, advert3(), src4, dst4, FormMessage)
			b[7] ^= 1
			return b
		}(), dst4, vrrp.DiscardChecksum},
		{"RFC 8200 8.1 IPv6 has no message-only form", func() []byte {
			b := Append(nil, advert6(), src6, dst6, FormPseudoHeader)
			b[6], b[7] = 0, 0
			sum := checksum(b, 0)
			b[6], b[7] = byte(sum>>8), byte(sum)
			return b
		}(), dst6, vrrp.DiscardChecksum},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := src4
			if c.dst.Is6() {
				src = src6
			}
			if _, _, got := Parse(c.b, src, c.dst); got != c.want {
				t.Errorf("discarded for %q, want %q", got, c.want)
			}
		})
	}
}

// FuzzParse: no message makes Parse fail otherwise than by a reason, and what it
// takes comes back the same after it was written anew.
func FuzzParse(f *testing.F) {
	f.Add(Append(nil, advert3(), src4, dst4, FormMessage), false)
	f.Add(Append(nil, advert3(), src4, dst4, FormPseudoHeader), false)
	f.Add(Append(nil, advert2(), src4, dst4, FormMessage), false)
	f.Add(Append(nil, advert6(), src6, dst6, FormPseudoHeader), true)
	f.Fuzz(func(t *testing.T, b []byte, v6 bool) {
		src, dst := src4, dst4
		if v6 {
			src, dst = src6, dst6
		}
		a, form, reason := Parse(b, src, dst)
		if reason != vrrp.DiscardNone {
			return
		}
		again, _, reason := Parse(Append(nil, a, src, dst, form), src, dst)
		if reason != vrrp.DiscardNone || !same(a, again) {
			t.Errorf("%x: %+v, written anew: %+v, %q", b, a, again, reason)
		}
	})
}
