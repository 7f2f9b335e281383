package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"usher/vrrp"
	"usher/vrrp/packet"
)

// TestReceiptChecks holds every reason to discard an advert, by the clause that
// demands it. A discarded packet changes nothing but the counter of its reason.
func TestReceiptChecks(t *testing.T) {
	v3 := web()
	v2 := web()
	v2.Version = 2
	pass := v2
	pass.Password = "secret"
	uni := web()
	uni.Unicast = &vrrp.Unicast{Peers: []vrrp.Peer{{Address: netip.MustParseAddr("192.0.2.7"), MinTTL: 250, MaxTTL: 254}}}
	six := instanceConfig("web", 51, "fe80::10/64")
	none := func(a *packet.Advert) { a.Addresses = nil }
	toUs := func(m *Incoming) { m.Destination = netip.MustParseAddr("192.0.2.5") }
	ttl := func(n uint8) func(*Incoming) { return func(m *Incoming) { m.TTL = n } }
	for _, c := range []struct {
		name   string
		cfg    vrrp.Config
		from   string
		advert func(*packet.Advert)
		ip     []func(*Incoming)
		want   vrrp.Discard
	}{
		{"RFC 9568 5.1.1.3 TTL 254", v3, "192.0.2.7", nil, []func(*Incoming){ttl(254)}, vrrp.DiscardTTL},
		{"RFC 9568 5.1.2.3 hop limit 64", six, "fe80::7", nil, []func(*Incoming){ttl(64)}, vrrp.DiscardTTL},
		{"RFC 9568 7.1 version 2 to version 3", v3, "192.0.2.7", func(a *packet.Advert) { a.Version = 2 }, nil, vrrp.DiscardVersion},
		{"RFC 3768 7.1 version 3 to version 2", v2, "192.0.2.7", func(a *packet.Advert) { a.Version = 3 }, nil, vrrp.DiscardVersion},
		{"RFC 9568 7.1 unknown VRID", v3, "192.0.2.7", func(a *packet.Advert) { a.VRID = 52 }, nil, vrrp.DiscardVRID},
		{"own source", v3, "192.0.2.5", nil, nil, vrrp.DiscardOwnSource},
		{"RFC 9568 7.1 no address, erratum 8299", v3, "192.0.2.7", none, nil, vrrp.DiscardLength},
		{"RFC 9568 7.1 no address, erratum 8299, IPv6", six, "fe80::7", none, nil, vrrp.DiscardLength},
		{"RFC 3768 7.1 interval", v2, "192.0.2.7", func(a *packet.Advert) { a.Interval = 2 * time.Second }, nil, vrrp.DiscardInterval},
		{"RFC 2338 5.3.6 password missing", pass, "192.0.2.7", func(a *packet.Advert) { a.Text = false }, nil, vrrp.DiscardAuthMismatch},
		{"RFC 2338 5.3.6 password not wanted", v2, "192.0.2.7", func(a *packet.Advert) { a.Text = true }, nil, vrrp.DiscardAuthMismatch},
		{"RFC 2338 5.3.6 wrong password", pass, "192.0.2.7", func(a *packet.Advert) { a.Password = packet.Password("secreT") }, nil, vrrp.DiscardAuthFailure},
		{"unicast to a multicast router", v3, "192.0.2.7", nil, []func(*Incoming){toUs}, vrrp.DiscardUnknownPeer},
		{"unicast from a stranger", uni, "192.0.2.8", nil, []func(*Incoming){toUs}, vrrp.DiscardUnknownPeer},
		{"unicast from too far", uni, "192.0.2.7", nil, []func(*Incoming){toUs, ttl(249)}, vrrp.DiscardPeerTTL},
		{"unicast from too near", uni, "192.0.2.7", nil, []func(*Incoming){toUs, ttl(255)}, vrrp.DiscardPeerTTL},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, state := range []vrrp.State{vrrp.Backup, vrrp.Active} {
				b := newBench(t)
				b.e.Apply(b.now, desired(c.cfg))
				b.run(3500 * time.Millisecond)
				if state == vrrp.Active {
					b.run(4 * time.Second)
				}
				before, m := b.status("web"), b.e.instances[0].m
				sent := len(b.sent)
				a := advertOf(c.cfg, c.cfg.Runs(true), 150)
				if c.advert != nil {
					c.advert(&a)
				}
				for range 3 {
					b.hear(c.from, a, c.ip...)
				}
				after := b.status("web")
				if n := after.Stats.Discarded[c.want]; n != 3 || len(after.Stats.Discarded) != 1 {
					t.Errorf("%v: discarded %v, want 3 for %s", state, after.Stats.Discarded, c.want)
				}
				if last := after.Stats.LastDiscard; last == nil || last.Reason != c.want || last.From != netip.MustParseAddr(c.from) {
					t.Errorf("%v: last discard %+v", state, last)
				}
				if b.e.instances[0].m != m || len(b.sent) != sent || after.ActiveRouter != before.ActiveRouter || after.Stats.AdvertsReceived != 0 {
					t.Errorf("%v: a discarded packet changed something: %+v, was %+v", state, after, before)
				}
				reported := 0
				for _, s := range b.said {
					if s == fmt.Sprintf("discard: web: advertisement discarded: %s", c.want) {
						reported++
					}
				}
				if quiet := c.want == vrrp.DiscardVRID; quiet && reported != 0 || !quiet && reported != 1 {
					t.Errorf("%v: reported %d times", state, reported)
				}
			}
		})
	}
}

// TestReceiptChecks_Passing: what is not to be discarded is not.
func TestReceiptChecks_Passing(t *testing.T) {
	v2 := web()
	v2.Version, v2.Password = 2, "secret"
	uni := web()
	uni.Unicast = &vrrp.Unicast{Peers: []vrrp.Peer{{Address: netip.MustParseAddr("192.0.2.7")}}}
	none := func(a *packet.Advert) { a.Addresses = nil }
	script, script2 := web(), v2
	script.NoAddresses, script.Addresses = true, nil
	script2.NoAddresses, script2.Addresses = true, nil
	group := web()
	group.Group4 = netip.MustParseAddr("224.0.0.200")
	for _, c := range []struct {
		name   string
		cfg    vrrp.Config
		advert func(*packet.Advert)
		ip     func(*Incoming)
	}{
		{"RFC 9568 7.1 other addresses in version 3", web(), func(a *packet.Advert) { a.Addresses = append(a.Addresses, netip.MustParseAddr("192.0.2.11")) }, nil},
		{"RFC 3768 7.1 other addresses from the owner", v2, func(a *packet.Advert) { a.Priority, a.Addresses[0] = 255, netip.MustParseAddr("192.0.2.11") }, nil},
		{"RFC 2338 5.3.6 right password", v2, nil, nil},
		{"no address in version 2, as of keepalived without a VIP", v2, none, nil},
		{"no address to a router without", script, nil, nil},
		{"no address to a router without, in version 2", script2, nil, nil},
		{"addresses to a router without", script, func(a *packet.Advert) { a.Addresses = []netip.Addr{netip.MustParseAddr("192.0.2.11")} }, nil},
		{"unicast, any TTL", uni, nil, func(m *Incoming) { m.Destination, m.TTL = netip.MustParseAddr("192.0.2.5"), 9 }},
		{"another group", group, nil, func(m *Incoming) { m.Destination = netip.MustParseAddr("224.0.0.200") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.e.Apply(b.now, desired(c.cfg))
			b.run(4 * time.Second)
			a := advertOf(c.cfg, false, 150)
			if c.advert != nil {
				c.advert(&a)
			}
			if c.ip == nil {
				c.ip = func(*Incoming) {}
			}
			b.hear("192.0.2.7", a, c.ip)
			b.is("web", vrrp.Backup)
		})
	}
}

// TestAddressMismatch: another list of addresses is counted and reported, at most once
// a minute a sender, and never a reason to discard, in either version: two routers that
// discarded each other's adverts would both be active while a list is changed on one
// after the other.
func TestAddressMismatch(t *testing.T) {
	for _, version := range []uint8{2, 3} {
		t.Run(fmt.Sprintf("version %d", version), func(t *testing.T) { addressMismatch(t, version) })
	}
}

func addressMismatch(t *testing.T, version uint8) {
	cfg := web()
	cfg.Version = version
	b := newBench(t)
	b.e.Apply(b.now, desired(cfg))
	a := advertOf(cfg, false, 150)
	a.Addresses = []netip.Addr{netip.MustParseAddr("192.0.2.99")}
	for i := range 150 {
		b.run(time.Duration(i) * time.Second)
		b.hear("192.0.2.7", a)
	}
	b.is("web", vrrp.Backup)
	reported := 0
	for _, s := range b.said {
		if s == "address_mismatch: web: peer advertises [192.0.2.99], not [192.0.2.10]" {
			reported++
		}
	}
	s := b.status("web")
	if s.Stats.AddressMismatches != 150 || reported != 3 {
		t.Errorf("counted %d, reported %d times", s.Stats.AddressMismatches, reported)
	}
	if s.Stats.LastDiscard != nil || len(s.Disagreements) != 0 {
		t.Errorf("discarded %+v, disagreements %+v", s.Stats.LastDiscard, s.Disagreements)
	}
}

// TestLimiter_Flood: senders without end neither fill memory nor the log.
func TestLimiter_Flood(t *testing.T) {
	l := limiter{last: map[limit]time.Time{}}
	for i := range 100000 {
		l.allow(start, limit{"web", netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), "x"})
	}
	if len(l.last) > maxLimits {
		t.Errorf("%d entries", len(l.last))
	}
	if !l.allow(start.Add(limitPeriod), limit{"web", netip.MustParseAddr("192.0.2.7"), "x"}) {
		t.Error("nothing is reported after the flood")
	}
}
