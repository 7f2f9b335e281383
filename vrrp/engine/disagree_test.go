package engine

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"usher/vrrp"
	"usher/vrrp/packet"
)

// TestDisagreement: two routers that discard each other's adverts are both active; each
// is told who the other is, what it does otherwise and what to change, and that goes
// when it has been mended.
func TestDisagreement(t *testing.T) {
	v2 := web()
	v2.Version = 2
	pass := v2
	pass.Password = "secret"
	uni := web()
	uni.Unicast = &vrrp.Unicast{Peers: []vrrp.Peer{{Address: netip.MustParseAddr("192.0.2.8"), MinTTL: 250}}}
	toUs := func(m *Incoming) { m.Destination = netip.MustParseAddr("192.0.2.5") }
	for _, c := range []struct {
		name   string
		cfg    vrrp.Config
		from   string
		advert func(*packet.Advert)
		ip     func(*Incoming)
		want   string
	}{
		{"version 2 to 3", web(), "192.0.2.7", func(a *packet.Advert) { a.Version = 2 }, nil, "192.0.2.7 sends version 2, this router version 3: give both the same version"},
		{"version 3 to 2", v2, "192.0.2.7", func(a *packet.Advert) { a.Version = 3 }, nil, "sends version 3, this router version 2"},
		{"password", pass, "192.0.2.7", func(a *packet.Advert) { a.Password = packet.Password("secreT") }, nil, "another password"},
		{"no password", pass, "192.0.2.7", func(a *packet.Advert) { a.Text = false }, nil, "sends no simple password, this router does"},
		{"password not wanted", v2, "192.0.2.7", func(a *packet.Advert) { a.Text = true }, nil, "sends authentication, this router none"},
		{"interval", v2, "192.0.2.7", func(a *packet.Advert) { a.Interval = 2 * time.Second }, nil, "every 2 s, this router every 1 s"},
		{"unicast to multicast", web(), "192.0.2.7", nil, toUs, "192.0.2.7 sends unicast, this router multicast"},
		{"multicast to unicast", uni, "192.0.2.7", nil, nil, "192.0.2.7 sends multicast, this router unicast"},
		{"multicast of other addresses to unicast", uni, "192.0.2.7", func(a *packet.Advert) { a.Addresses = []netip.Addr{netip.MustParseAddr("192.0.2.11")} }, nil, ""},
		{"multicast of another VRID to unicast", uni, "192.0.2.7", func(a *packet.Advert) { a.VRID = 52 }, nil, "192.0.2.7 advertises 192.0.2.10 as virtual router 52, this router as 51"},
		{"unicast of another VRID", uni, "192.0.2.8", func(a *packet.Advert) { a.VRID = 52 }, toUs, "as virtual router 52, this router as 51"},
		{"no peer", uni, "192.0.2.7", nil, toUs, "is not among this router's unicast peers"},
		{"TTL", web(), "192.0.2.7", nil, func(m *Incoming) { m.TTL = 64 }, "sends with TTL 64, not 255"},
		{"TTL of a peer", uni, "192.0.2.8", nil, func(m *Incoming) { toUs(m); m.TTL = 64 }, "outside of its min_ttl"},
		{"own source", web(), "192.0.2.5", nil, nil, "this router's own address"},
		{"another VRID", web(), "192.0.2.7", func(a *packet.Advert) { a.VRID = 52 }, nil, "192.0.2.7 advertises 192.0.2.10 as virtual router 52, this router as 51: give both the same virtual_router_id"},
		{"another VRID and version", web(), "192.0.2.7", func(a *packet.Advert) { a.VRID, a.Version = 52, 2 }, nil, "as virtual router 52, this router as 51"},
		{"another VRID, not its addresses alone", web(), "192.0.2.7", func(a *packet.Advert) {
			a.VRID, a.Addresses = 52, []netip.Addr{netip.MustParseAddr("192.0.2.11"), netip.MustParseAddr("192.0.2.10")}
		}, nil, "192.0.2.7 advertises 192.0.2.10 as virtual router 52"},
		{"another VRID, other addresses", web(), "192.0.2.7", func(a *packet.Advert) { a.VRID, a.Addresses = 52, []netip.Addr{netip.MustParseAddr("192.0.2.11")} }, nil, ""},
		{"another VRID on another interface", web(), "192.0.2.7", func(a *packet.Advert) { a.VRID = 52 }, func(m *Incoming) { m.Index = 3 }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.e.Apply(b.now, desired(c.cfg))
			a := advertOf(c.cfg, false, 150)
			if c.advert != nil {
				c.advert(&a)
			}
			if c.ip == nil {
				c.ip = func(*Incoming) {}
			}
			for i := range 8 {
				b.run(time.Duration(i) * time.Second)
				b.hear(c.from, a, c.ip)
			}
			b.is("web", vrrp.Active)
			s := b.status("web")
			if c.want == "" {
				if len(s.Disagreements) != 0 {
					t.Errorf("%+v", s.Disagreements)
				}
				b.never("disagreement")
				return
			}
			if len(s.Disagreements) != 1 || !strings.Contains(s.Disagreements[0].Text, c.want) || s.Disagreements[0].Peer.String() != c.from || s.Disagreements[0].Since != start {
				t.Fatalf("%+v, want %q", s.Disagreements, c.want)
			}
			told := 0
			for _, line := range b.said {
				if strings.HasPrefix(line, "disagreement: ") {
					told++
				}
			}
			if told != 1 {
				t.Errorf("told %d times", told)
			}
			ends := b.now.Add(max(5*time.Second, vrrp.NewMachine(c.cfg.Parameters()).DownInterval()))
			b.run(ends.Sub(start) - time.Nanosecond)
			b.never("disagreement_end: ")
			b.run(ends.Sub(start))
			b.wants("disagreement_end: ")
			if s := b.status("web"); len(s.Disagreements) != 0 {
				t.Errorf("it stays: %+v", s.Disagreements)
			}
		})
	}
}

// TestDisagreement_Flood: invented senders take no more memory than a few.
func TestDisagreement_Flood(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, desired(web()))
	a := advertOf(web(), false, 150)
	a.Version = 2
	for i := range 200 {
		b.hear(netip.AddrFrom4([4]byte{192, 0, 3, byte(i)}).String(), a)
	}
	if n := len(b.status("web").Disagreements); n != maxDisagreements {
		t.Errorf("%d remembered", n)
	}
}
