package engine

import (
	"net/netip"
	"testing"
	"time"

	"usher/vrrp"
)

// TestUnbound: an instance without an interface sends to its peers by whatever route
// leads there, and is in fault while its source is on no interface that is up.
func TestUnbound(t *testing.T) {
	peer := netip.MustParseAddr("203.0.113.7")
	cfg := web()
	cfg.Interface, cfg.Addresses[0].Interface = "", "eth0"
	cfg.Source4 = netip.MustParseAddr("198.51.100.5")
	cfg.Unicast = &vrrp.Unicast{Peers: []vrrp.Peer{{Address: peer, MaxTTL: 255}}}
	from := func(index int) func(*Incoming) {
		return func(m *Incoming) { m.Index, m.Destination, m.TTL = index, cfg.Source4, 61 }
	}
	b := newBench(t)
	b.e.Apply(b.now, desired(cfg))
	if s := b.e.Sockets(); len(s) != 1 || s[0].Index != Anywhere || s[0].Interface != "" || len(s[0].Groups) != 0 {
		t.Fatalf("sockets %+v", s)
	}
	b.run(4 * time.Second)
	b.is("web", vrrp.Active)
	if out := b.sent[0]; out.Index != Anywhere || out.Interface != "" || out.Source != cfg.Source4 || out.Destination != peer {
		t.Errorf("sent %+v", out)
	}
	b.hear(peer.String(), advertOf(cfg, false, 150), from(2)) // from the socket of another instance, which has a copy
	b.is("web", vrrp.Active)
	b.hear(peer.String(), advertOf(cfg, false, 150), from(Anywhere))
	b.is("web", vrrp.Backup)
	b.hear("192.0.2.7", advertOf(cfg, false, 200), from(Anywhere))
	if s := b.status("web"); s.Stats.Discarded[vrrp.DiscardUnknownPeer] != 1 || s.ActiveRouter != peer {
		t.Errorf("a stranger: %+v", s)
	}
	b.run(10 * time.Second)
	b.is("web", vrrp.Active)
	b.link("eth1", false, "198.51.100.5")
	b.wants("web: fault, was active: source address 198.51.100.5 is on no interface that is up")
	b.link("eth1", true)
	b.link("eth0", true, "192.0.2.5", "198.51.100.5") // it has moved
	b.run(20 * time.Second)
	b.is("web", vrrp.Active)

	cfg.VRF = "eth1" // the name of any device does for the engine
	b.e.Apply(b.now, desired(cfg))
	if s := b.e.Sockets(); len(s) != 1 || s[0].Interface != "eth1" {
		t.Errorf("sockets in a VRF: %+v", s)
	}
}
