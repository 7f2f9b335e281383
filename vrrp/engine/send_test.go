package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"usher/vrrp"
	"usher/vrrp/packet"
)

// TestUnsent: an active router whose adverts do not leave says so, since when, until one
// does; and they do not count as sent.
func TestUnsent(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, desired(web()))
	b.run(5 * time.Second)
	b.is("web", vrrp.Active)
	if u := b.status("web").Unsent; u != nil {
		t.Fatalf("%+v", u)
	}
	sent := b.status("web").Stats.AdvertsSent
	b.bad = errors.New("operation not permitted")
	b.run(10 * time.Second)
	s := b.status("web")
	if s.Unsent == nil || s.Unsent.Text != "operation not permitted" || s.Unsent.Since.Sub(start) > 6*time.Second || s.Stats.AdvertsSent != sent {
		t.Errorf("%+v, %d adverts sent, before %d", s.Unsent, s.Stats.AdvertsSent, sent)
	}
	b.bad = nil
	b.run(12 * time.Second)
	if u := b.status("web").Unsent; u != nil {
		t.Errorf("sent again: %+v", u)
	}
	b.bad = errors.New("network is down")
	b.run(14 * time.Second)
	b.e.Maintenance(b.now, true)
	b.run(20 * time.Second)
	if s := b.status("web"); s.State == vrrp.Active || s.Unsent != nil {
		t.Errorf("%v, not active any more: %+v", s.State, s.Unsent)
	}
}

// TestMTU: adverts list as many of the first addresses as fit a packet of the interface,
// which peers of the same list do not take for another one; the status says how many do not.
func TestMTU(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*vrrp.Config)
		mtu    int
		count  int // addresses listed
		least  int // length of the message
	}{
		{"enough room", six(89), 1500, 89, 1432},
		{"signed", withKey(six(88)), 1500, 88, 1444},
		{"IPv6", six(90), 1280, 76, 1224},
		{"IPv6 signed", withKey(six(89)), 1280, 74, 1220},
		{"IPv4", four(255, 3), 576, 133, 540},
		{"IPv4 signed", withKey(four(255, 3)), 576, 126, 540},
		{"IPv4 version 2", four(255, 2), 576, 131, 540},
		{"hardly any", six(10), 60, 1, 24},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			cfg := web()
			c.change(&cfg)
			b.e.Link(b.now, Link{Name: "eth0", Index: 2, Up: true, MTU: c.mtu, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.5"), netip.MustParseAddr("fe80::5")}})
			b.e.Apply(b.now, desired(cfg))
			b.run(5 * time.Second)
			b.is("web", vrrp.Active)
			msg := b.sent[len(b.sent)-1]
			if n := int(msg.Payload[3]); n != c.count || len(msg.Payload) != c.least {
				t.Errorf("%d addresses in %d bytes; want %d in %d", n, len(msg.Payload), c.count, c.least)
			}
			s := b.status("web")
			if left := len(cfg.Addresses) - c.count; s.NotCarried != left || left > 0 && s.MTU != c.mtu {
				t.Errorf("%d not carried, MTU %d", s.NotCarried, s.MTU)
			}
			if cfg.HMAC != nil {
				return
			}
			a, _, reason := packet.Parse(msg.Payload, msg.Source, msg.Destination)
			if reason != vrrp.DiscardNone {
				t.Fatal(reason)
			}
			a.Priority = 200
			from := "192.0.2.7"
			if msg.Source.Is6() {
				from = "fe80::7"
			}
			b.hear(from, a)
			b.is("web", vrrp.Backup)
			if n := b.status("web").Stats.AddressMismatches; n != 0 {
				t.Errorf("the list of a peer like this one: %d mismatches", n)
			}
		})
	}
}

func six(n int) func(*vrrp.Config) {
	return func(c *vrrp.Config) {
		c.Addresses = []vrrp.Address{{Prefix: netip.MustParsePrefix("fe80::10/64")}}
		for i := 1; i < n; i++ {
			c.Addresses = append(c.Addresses, vrrp.Address{Prefix: netip.MustParsePrefix(fmt.Sprintf("2001:db8::%x/128", i))})
		}
	}
}

func four(n int, version uint8) func(*vrrp.Config) {
	return func(c *vrrp.Config) {
		c.Version, c.Addresses = version, nil
		for i := range n {
			c.Addresses = append(c.Addresses, vrrp.Address{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(i + 1)}), 32)})
		}
	}
}

func withKey(change func(*vrrp.Config)) func(*vrrp.Config) {
	return func(c *vrrp.Config) {
		change(c)
		c.HMAC = &vrrp.HMAC{Keys: []vrrp.HMACKey{{ID: 1, Secret: make(vrrp.Secret, 32)}}, ActiveKey: 1, AntiReplay: vrrp.AntiReplayTime, Window: 5 * time.Second, Mode: vrrp.HMACEnforce}
	}
}
