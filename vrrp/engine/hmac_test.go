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

// quietly applies a configuration to one router after the other and asserts that nothing
// moves.
func (n *network) quietly(name string, order []int, cfgs []vrrp.Config) {
	n.t.Helper()
	for _, i := range order {
		n.measure()
		n.apply(i, desired(cfgs[i]))
		n.run(10 * time.Second)
		for _, r := range n.routers {
			for _, line := range r.said {
				if !strings.Contains(line, " authentication: ") {
					n.t.Errorf("%s, router %d first: %s: %s", name, order[0], r.name, line)
				}
			}
		}
		if n.none["web"]+n.several["web"] > 0 {
			n.t.Errorf("%s: on none for %v, on several for %v", name, n.none["web"], n.several["web"])
		}
	}
}

// TestHMAC_Steps: each step of a roll-out, of the way back and of a rotation, on the
// active router first and on the backup first, moves nothing; and who replays, alters,
// forges or leaves out a trailer meanwhile moves nothing either.
func TestHMAC_Steps(t *testing.T) {
	v2 := web()
	v2.Version = 2
	uni := web()
	uni.Unicast = &vrrp.Unicast{Peers: []vrrp.Peer{{Address: netip.MustParseAddr("192.0.2.1")}}}
	for name, base := range map[string]vrrp.Config{"version 3": web(), "version 2": v2, "unicast": uni} {
		for _, order := range [][]int{{0, 1}, {1, 0}} {
			t.Run(fmt.Sprint(name, order), func(t *testing.T) {
				n := newNetwork(t, 2)
				configs := func(h *vrrp.HMAC) []vrrp.Config {
					a, b := base, base
					a.Priority, b.Priority, a.HMAC, b.HMAC = 150, 100, h, h
					if base.Unicast != nil {
						a.Unicast = &vrrp.Unicast{Peers: []vrrp.Peer{{Address: netip.MustParseAddr("192.0.2.2")}}}
					}
					return []vrrp.Config{a, b}
				}
				for i, cfg := range configs(nil) {
					n.apply(i, desired(cfg))
				}
				n.run(10 * time.Second)
				for _, step := range []struct {
					name string
					h    *vrrp.HMAC
				}{
					{"receive-only", hmacOf(vrrp.HMACReceiveOnly, 1, 1)}, {"permissive", hmacOf(vrrp.HMACPermissive, 1, 1)}, {"enforce", hmacOf(vrrp.HMACEnforce, 1, 1)},
					{"key 2", hmacOf(vrrp.HMACEnforce, 1, 1, 2)}, {"key 2 active", hmacOf(vrrp.HMACEnforce, 2, 1, 2)}, {"key 1 gone", hmacOf(vrrp.HMACEnforce, 2, 2)},
					{"permissive again", hmacOf(vrrp.HMACPermissive, 2, 2)}, {"receive-only again", hmacOf(vrrp.HMACReceiveOnly, 2, 2)}, {"none again", nil},
				} {
					n.quietly(step.name, order, configs(step.h))
					if step.h.Enforces() {
						n.attack(order, configs(step.h))
					}
				}
			})
		}
	}
}

// attack has a third host say what it can without a key.
func (n *network) attack(order []int, cfgs []vrrp.Config) {
	n.t.Helper()
	var recorded []Incoming
	n.run(10 * time.Millisecond)
	for len(n.wire) == 0 {
		n.run(flight / 2)
	}
	for _, p := range n.wire {
		recorded = append(recorded, p.msg)
	}
	n.measure()
	n.run(100 * time.Millisecond)
	hear := n.routers[1].e
	stats := func() map[vrrp.Discard]uint64 { return hear.Status(n.now)[0].Stats.Discarded }
	before := stats()
	to := recorded[0].Destination
	k := cfgs[0].HMAC
	forged := packet.Append(nil, advertOf(cfgs[0], false, 255), recorded[0].Source, to, packet.FormPseudoHeader)
	say := func(payload []byte) {
		hear.Receive(n.now, Incoming{Index: 2, Source: recorded[0].Source, Destination: to, TTL: 255, Payload: payload})
	}
	trailer := func(id uint8, at time.Time) []byte {
		b := slices.Clone(forged)
		t := packet.NewKey(vrrp.HMACKey{ID: id, Secret: make([]byte, 32)}).Sign(b, recorded[0].Source, vrrp.SequenceAt(at))
		return packet.AppendTrailer(b, 0, &t, recorded[0].Source, to)
	}
	for range 10 {
		say(recorded[0].Payload)
		changed := slices.Clone(recorded[0].Payload)
		changed[2] = 255
		say(changed)
		say(forged)
		say(trailer(99, n.now))
		say(trailer(k.ActiveKey, n.now.Add(time.Minute)))
		n.run(300 * time.Millisecond)
	}
	after := stats()
	for _, reason := range []vrrp.Discard{vrrp.DiscardHMACReplay, vrrp.DiscardHMACBad, vrrp.DiscardHMACMissing, vrrp.DiscardHMACUnknownKey, vrrp.DiscardHMACStale} {
		if got := after[reason] - before[reason]; got != 10 {
			n.t.Errorf("10 adverts, %d are counted as %s", got, reason)
		}
	}
	n.undisturbed()
	n.quietly("after an attack", order, cfgs)
}

// TestHMAC_Clocks: clocks within the window are as good as equal ones; beyond it a router
// hears nobody and says whose clock it is, but in monotonic.
func TestHMAC_Clocks(t *testing.T) {
	for _, c := range []struct {
		apart  time.Duration
		mode   vrrp.AntiReplay
		active int // routers that are active in the end
	}{
		{3 * time.Second, vrrp.AntiReplayTime, 1},
		{-3 * time.Second, vrrp.AntiReplayTime, 1},
		{10 * time.Second, vrrp.AntiReplayTime, 2},
		{10 * time.Second, vrrp.AntiReplayMonotonic, 1},
		{-time.Hour, vrrp.AntiReplayMonotonic, 1},
	} {
		t.Run(fmt.Sprint(c.apart, c.mode), func(t *testing.T) {
			n := newNetwork(t, 2)
			n.routers[1].e.wall = func(now time.Time) time.Time { return now.Add(c.apart) }
			for i := range 2 {
				cfg := web()
				cfg.Priority, cfg.HMAC = uint8(150-50*i), hmacOf(vrrp.HMACEnforce, 1, 1)
				cfg.HMAC.AntiReplay = c.mode
				n.apply(i, desired(cfg))
			}
			n.run(20 * time.Second)
			active := 0
			for _, r := range n.routers {
				if r.held["web"] {
					active++
				}
			}
			if active != c.active {
				t.Errorf("%d routers are active, want %d", active, c.active)
			}
			s := n.routers[1].e.Status(n.now)[0]
			if told := len(s.Disagreements) == 1 && strings.Contains(s.Disagreements[0].Text, "-10 s from this router's"); told != (c.active == 2) {
				t.Errorf("%+v", s.Disagreements)
			}
			if c.active == 1 && (len(s.Peers) != 1 || s.Peers[0].ClockOffset != -c.apart) {
				t.Errorf("peers %+v", s.Peers)
			}
		})
	}
}

// TestHMAC_ClockSteps: the clock of the active router is set, within what the mode bears.
func TestHMAC_ClockSteps(t *testing.T) {
	for _, c := range []struct {
		step time.Duration
		mode vrrp.AntiReplay
		both bool // the clock of the backup, too
	}{
		{-3 * time.Second, vrrp.AntiReplayTime, false},
		{4 * time.Second, vrrp.AntiReplayTime, false},
		{-time.Hour, vrrp.AntiReplayMonotonic, false},
		{-time.Hour, vrrp.AntiReplayTime, true},
		{time.Hour, vrrp.AntiReplayTime, true},
	} {
		t.Run(fmt.Sprint(c.step, c.mode, c.both), func(t *testing.T) {
			n := newNetwork(t, 2)
			var offset time.Duration
			for i, r := range n.routers {
				if i == 0 || c.both {
					r.e.wall = func(now time.Time) time.Time { return now.Add(offset) }
				}
				cfg := web()
				cfg.Priority, cfg.HMAC = uint8(150-50*i), hmacOf(vrrp.HMACEnforce, 1, 1)
				cfg.HMAC.AntiReplay = c.mode
				n.apply(i, desired(cfg))
			}
			n.run(10 * time.Second)
			n.measure()
			offset = c.step
			n.run(20 * time.Second)
			n.undisturbed()
			if s := n.routers[1].e.Status(n.now)[0]; len(s.Stats.Discarded) > 0 {
				t.Errorf("discarded %v", s.Stats.Discarded)
			}
		})
	}
}

// kept is Stamps in memory.
type kept map[uint8]vrrp.Sequence

func (k kept) Last(vrid uint8) vrrp.Sequence    { return k[vrid] }
func (k kept) Keep(vrid uint8, s vrrp.Sequence) { k[vrid] = s }

// TestHMAC_Crash: the process dies, somebody else resigns for it, and another process goes
// on: every advert of them is new to a peer, though the clock was set back before.
func TestHMAC_Crash(t *testing.T) {
	for _, six := range []bool{false, true} {
		cfg := web()
		if six {
			cfg = instanceConfig("web", 51, "fe80::10/64")
		}
		cfg.HMAC = hmacOf(vrrp.HMACEnforce, 1, 1)
		stamps, offset := kept{}, time.Duration(0)
		wall := func(now time.Time) time.Time { return now.Add(offset) }
		peer := newBench(t)
		peerConfig := cfg
		peerConfig.Priority = 50
		peer.e.Apply(peer.now, desired(peerConfig))
		peer.link("eth0", true, "192.0.2.6", "fe80::6")
		hear := func(all []Outgoing) {
			t.Helper()
			for _, out := range all {
				before := peer.status("web").Stats
				peer.e.Receive(peer.now, Incoming{Index: 2, Source: out.Source, Destination: out.Destination, TTL: out.TTL, Payload: out.Payload})
				if s := peer.status("web").Stats; s.AdvertsReceived != before.AdvertsReceived+1 {
					t.Errorf("IPv6 %v: not taken: %v", six, s.Discarded)
				}
			}
		}
		run := func(until time.Duration) {
			b, wills := willed(t)
			b.e.stamps, b.e.wall = stamps, wall
			b.now = start.Add(until - 7*time.Second)
			b.e.Apply(b.now, desired(cfg))
			b.run(until)
			b.is("web", vrrp.Active)
			hear(b.sent)
			if len(wills["web"]) != 1 || wills["web"][0].Signing == nil {
				t.Fatalf("will %+v", wills["web"])
			}
			for range 2 {
				out := Sign(wills["web"][0], stamps, wall(b.now))
				if a, _, _ := packet.Parse(out.Payload, out.Source, out.Destination); a.Priority != 0 || out.Signing != nil {
					t.Errorf("the will says %+v", a)
				}
				hear([]Outgoing{out})
			}
		}
		peer.now = start.Add(5 * time.Second)
		run(7 * time.Second)
		offset = -6 * time.Second
		peer.now = start.Add(9 * time.Second)
		run(14 * time.Second) // from 4 s of its clock on, 3 s behind what was sent
	}
}
