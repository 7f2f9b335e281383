package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/vrrp"
	"usher/vrrp/packet"
)

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
	for name, base := range map[string]vrrp.Config{"version 3": web(), "version 2": v2, "unicast": uni, "IPv6": instanceConfig("web", 51, "fe80::10/64")} {
		for _, order := range [][]int{{0, 1}, {1, 0}} {
			t.Run(fmt.Sprint(name, order), func(t *testing.T) {
				n := newNetwork(t, 2)
				for i, r := range n.routers {
					r.e.Link(n.now, Link{Name: "eth0", Index: 2, Up: true, Addresses: []netip.Addr{
						netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 15: byte(i + 1)}),
					}})
				}
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
	forged := packet.Append(nil, advertOf(cfgs[0], to.Is6(), 255), recorded[0].Source, to, packet.FormPseudoHeader)
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

// TestHMAC_Anew: an instance that becomes another virtual router by a reload, which
// resigns first, goes on with its numbers while its clock is behind what it sent.
func TestHMAC_Anew(t *testing.T) {
	offset := time.Duration(0)
	b := newBench(t)
	b.e.wall = func(now time.Time) time.Time { return now.Add(offset) }
	cfg := web()
	cfg.HMAC = hmacOf(vrrp.HMACEnforce, 1, 1)
	b.e.Apply(b.now, desired(cfg))
	b.run(10 * time.Second)
	offset = -5 * time.Second
	cfg.Group4 = netip.MustParseAddr("224.0.0.81")
	b.e.Apply(b.now, desired(cfg))
	b.run(14 * time.Second)
	b.is("web", vrrp.Active)
	last, resigned := vrrp.Sequence(0), false
	for _, out := range b.sent {
		_, rest, _ := packet.Split(out.Payload, false)
		tr, ok := packet.ReadTrailer(rest)
		if s := tr.Sequence(); !ok || last != 0 && !s.After(last) {
			t.Errorf("%x after %x", s, last)
		}
		last, resigned = tr.Sequence(), resigned || out.Payload[2] == 0
	}
	if !resigned {
		t.Error("it did not become another router")
	}
}
