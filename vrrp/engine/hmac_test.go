package engine

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/vrrp"
	"usher/vrrp/packet"
)

func secret(id uint8) vrrp.HMACKey {
	return vrrp.HMACKey{ID: id, Secret: bytes.Repeat([]byte{id}, vrrp.MinHMACKey)}
}

func hmacOf(mode vrrp.HMACMode, active uint8, ids ...uint8) *vrrp.HMAC {
	h := &vrrp.HMAC{ActiveKey: active, AntiReplay: vrrp.AntiReplayTime, Window: 5 * time.Second, Mode: mode}
	for _, id := range ids {
		h.Keys = append(h.Keys, secret(id))
	}
	return h
}

// signed is a message that a peer of eth0 signs, at a time of its clock.
func signed(a packet.Advert, from string, key vrrp.HMACKey, clock time.Time) Incoming {
	msg := Incoming{Index: 2, Source: netip.MustParseAddr(from), Destination: netip.MustParseAddr("224.0.0.18"), TTL: 255}
	if msg.Source.Is6() {
		msg.Destination = netip.MustParseAddr("ff02::12")
	}
	b := packet.Append(nil, a, msg.Source, msg.Destination, packet.FormPseudoHeader)
	t := packet.NewKey(key).Sign(b, msg.Source, vrrp.SequenceAt(clock))
	msg.Payload = packet.AppendTrailer(b, 0, &t, msg.Source, msg.Destination)
	return msg
}

// TestHMAC_Discards: each reason, in either state, in both versions and families. What is
// discarded changes nothing but the counter of its reason.
func TestHMAC_Discards(t *testing.T) {
	v3, v2, v6 := web(), web(), instanceConfig("web", 51, "fe80::10/64")
	v2.Version = 2
	for _, cfg := range []vrrp.Config{v3, v2, v6} {
		cfg.HMAC = hmacOf(vrrp.HMACEnforce, 1, 1, 2)
		six := cfg.Runs(true)
		from := map[bool]string{false: "192.0.2.7", true: "fe80::7"}[six]
		a := advertOf(cfg, six, 150)
		for _, c := range []struct {
			name string
			make func(now time.Time) Incoming
			want vrrp.Discard
		}{
			{"unsigned", func(now time.Time) Incoming {
				m := signed(a, from, secret(1), now)
				m.Payload = packet.Append(nil, a, m.Source, m.Destination, packet.FormPseudoHeader)
				return m
			}, vrrp.DiscardHMACMissing},
			{"a byte more", func(now time.Time) Incoming {
				m := signed(a, from, secret(1), now)
				m.Payload = append(m.Payload, 0)
				return m
			}, vrrp.DiscardLength},
			{"scheme 2", altered(a, from, func(m []byte) { m[len(m)-28] = 2 }), vrrp.DiscardHMACMalformed},
			{"reserved", altered(a, from, func(m []byte) { m[len(m)-25] = 1 }), vrrp.DiscardHMACMalformed},
			{"6 s ago", func(now time.Time) Incoming { return signed(a, from, secret(1), now.Add(-6*time.Second)) }, vrrp.DiscardHMACStale},
			{"in 6 s", func(now time.Time) Incoming { return signed(a, from, secret(1), now.Add(6*time.Second)) }, vrrp.DiscardHMACStale},
			{"key 3", func(now time.Time) Incoming { return signed(a, from, secret(3), now) }, vrrp.DiscardHMACUnknownKey},
			{"another secret", func(now time.Time) Incoming { k := secret(3); k.ID = 1; return signed(a, from, k, now) }, vrrp.DiscardHMACBad},
			{"priority altered", altered(a, from, func(m []byte) { m[2] = 255 }), vrrp.DiscardHMACBad},
			{"another sender", func(now time.Time) Incoming {
				m := signed(a, from, secret(1), now)
				m.Source = m.Source.Next()
				return m
			}, vrrp.DiscardHMACBad},
		} {
			for _, state := range []vrrp.State{vrrp.Backup, vrrp.Active} {
				t.Run(fmt.Sprintf("version %d, IPv6 %v, %s, %v", cfg.Version, six, c.name, state), func(t *testing.T) {
					b := newBench(t)
					b.e.Apply(b.now, desired(cfg))
					b.run(3500 * time.Millisecond)
					if state == vrrp.Active {
						b.run(4500 * time.Millisecond)
					}
					before, sent := b.status("web"), len(b.sent)
					for range 3 {
						b.e.Receive(b.now, c.make(b.now))
					}
					after := b.status("web")
					if n := after.Stats.Discarded[c.want]; n != 3 || len(after.Stats.Discarded) != 1 {
						t.Errorf("discarded %v, want 3 for %s", after.Stats.Discarded, c.want)
					}
					if after.State != before.State || len(b.sent) != sent || after.Stats.AdvertsReceived != 0 || after.Stats.HMACVerified != 0 {
						t.Errorf("it changed something: %+v", after)
					}
				})
			}
		}
	}
}

func altered(a packet.Advert, from string, how func([]byte)) func(time.Time) Incoming {
	return func(now time.Time) Incoming {
		m := signed(a, from, secret(1), now)
		how(m.Payload)
		return m
	}
}

// TestHMAC_Replay: an advert counts once, also after a reload; a copy of it with another
// fault, in the checksum or the TTL, does not make the true one a replay.
func TestHMAC_Replay(t *testing.T) {
	cfg := web()
	cfg.HMAC = hmacOf(vrrp.HMACEnforce, 1, 1, 2)
	b := newBench(t)
	b.e.Apply(b.now, desired(cfg))
	b.run(time.Second)
	true1 := signed(advertOf(cfg, false, 150), "192.0.2.7", secret(1), b.now)
	damaged := true1
	damaged.Payload = slices.Clone(true1.Payload)
	damaged.Payload[6] ^= 1
	b.e.Receive(b.now, damaged)
	far := true1
	far.TTL = 254
	b.e.Receive(b.now, far)
	b.e.Receive(b.now, true1)
	if s := b.status("web").Stats; s.AdvertsReceived != 1 || s.HMACVerified != 1 || s.Discarded[vrrp.DiscardChecksum] != 1 || s.Discarded[vrrp.DiscardTTL] != 1 || len(s.Discarded) != 2 {
		t.Fatalf("the true one after a damaged copy: %+v", s)
	}
	again := func(n uint64, when string) {
		t.Helper()
		b.e.Receive(b.now, true1)
		if s := b.status("web").Stats; s.AdvertsReceived != 1 || s.Discarded[vrrp.DiscardHMACReplay] != n {
			t.Errorf("%s it is taken again: %+v", when, s)
		}
	}
	again(1, "at once")
	cfg.HMAC = hmacOf(vrrp.HMACPermissive, 2, 1, 2)
	cfg.Priority = 90
	b.e.Apply(b.now, desired(cfg))
	again(2, "after a reload")
	other := cfg
	other.VirtualMAC = true
	b.e.Apply(b.now, desired(other))
	b.e.Apply(b.now, desired(cfg))
	b.e.Receive(b.now, true1)
	if s := b.status("web").Stats; s.AdvertsReceived != 0 || s.Discarded[vrrp.DiscardHMACReplay] != 1 {
		t.Errorf("after it was another router for a moment it is taken again: %+v", s)
	}
	if len(b.status("web").Disagreements) != 1 {
		t.Error("a router of which nothing new comes is no disagreement")
	}
	b.e.Receive(b.now, signed(advertOf(cfg, false, 150), "192.0.2.7", secret(2), b.now.Add(time.Second)))
	if s := b.status("web").Stats; s.AdvertsReceived != 1 {
		t.Errorf("the next one is not taken: %+v", s)
	}
	b.run(2 * time.Second)
	b.said = nil
	b.e.Receive(b.now, true1)
	b.never("disagreement")
}

// TestHMAC_Peers: who signs, with which key, and who does not is counted and shown.
func TestHMAC_Peers(t *testing.T) {
	cfg := web()
	cfg.HMAC = hmacOf(vrrp.HMACPermissive, 1, 1, 2)
	b := newBench(t)
	b.e.Apply(b.now, desired(cfg))
	a := advertOf(cfg, false, 150)
	b.hear("192.0.2.7", a)
	b.wants("authentication: web: 192.0.2.7 does not sign")
	b.run(time.Second)
	b.e.Receive(b.now, signed(a, "192.0.2.7", secret(1), b.now.Add(-3*time.Second)))
	b.wants("authentication: web: 192.0.2.7 signs its advertisements with key 1")
	b.run(2 * time.Second)
	b.e.Receive(b.now, signed(a, "192.0.2.7", secret(2), b.now))
	b.e.Receive(b.now, signed(a, "192.0.2.8", secret(1), b.now.Add(4*time.Second)))
	b.wants("192.0.2.7 signs its advertisements with key 2", "192.0.2.8 signs")
	s := b.status("web")
	want := []vrrp.PeerStatus{
		{Address: netip.MustParseAddr("192.0.2.7"), Key: 2, SignedAt: start.Add(2 * time.Second), UnsignedAt: start},
		{Address: netip.MustParseAddr("192.0.2.8"), Key: 1, SignedAt: start.Add(2 * time.Second), ClockOffset: 4 * time.Second},
	}
	if !slices.Equal(s.Peers, want) {
		t.Errorf("peers %+v, want %+v", s.Peers, want)
	}
	if s.Stats.HMACVerified != 3 || s.Stats.HMACUnsigned != 1 || s.Stats.AdvertsReceived != 4 {
		t.Errorf("%+v", s.Stats)
	}
	if h := s.HMAC; h == nil || h.Mode != vrrp.HMACPermissive || h.ActiveKey != 1 || !slices.Equal(h.Keys, []uint8{1, 2}) {
		t.Errorf("hmac %+v", s.HMAC)
	}
	b.run(3 * time.Second)
	for i := range 3 * maxHeard { // from invented senders
		b.hear(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String(), a)
	}
	s = b.status("web")
	signs := slices.DeleteFunc(slices.Clone(s.Peers), func(p vrrp.PeerStatus) bool { return p.Key == 0 })
	if len(s.Peers) != maxHeard || !slices.Equal(signs, want) {
		t.Errorf("%d peers are remembered, of those that sign %+v", len(s.Peers), signs)
	}
}

// TestHMAC_Unknown: a router without keys says what a signed advert is.
func TestHMAC_Unknown(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, desired(web()))
	b.e.Receive(b.now, signed(advertOf(web(), false, 150), "192.0.2.7", secret(1), b.now))
	s := b.status("web")
	if s.Stats.Discarded[vrrp.DiscardAuthMismatch] != 1 || len(s.Disagreements) != 1 || !strings.Contains(s.Disagreements[0].Text, `mode = "receive-only" before others sign`) {
		t.Errorf("%+v, %+v", s.Stats.Discarded, s.Disagreements)
	}
}
