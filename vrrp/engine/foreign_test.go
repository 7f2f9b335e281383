package engine

import (
	"net/netip"
	"testing"
	"time"

	"usher/vrrp"
)

// with gives eth0 with addresses that somebody put there to stay, and ones of usher's.
func (b *bench) with(lasting, marked []string) {
	l := Link{Name: "eth0", Index: 2, Up: true, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.5"), netip.MustParseAddr("fe80::5")}}
	for _, p := range lasting {
		l.Lasting = append(l.Lasting, netip.MustParsePrefix(p))
	}
	for _, p := range marked {
		l.Marked = append(l.Marked, netip.MustParsePrefix(p))
	}
	b.e.Link(b.now, l)
}

// TestForeignAddress: a virtual address that somebody else put on the machine to stay
// keeps the instance out, whenever it comes and whatever its prefix length, until
// it is gone; usher neither takes it for its own nor hands it to a peer.
func TestForeignAddress(t *testing.T) {
	for name, set := range map[string]struct {
		want   bool
		change func(*vrrp.Config)
		have   string
	}{
		"the same prefix":             {true, func(*vrrp.Config) {}, "192.0.2.10/24"},
		"another prefix length":       {true, func(*vrrp.Config) {}, "192.0.2.10/32"},
		"another address":             {false, func(*vrrp.Config) {}, "192.0.2.11/24"},
		"the owner's":                 {false, func(c *vrrp.Config) { c.Priority = vrrp.OwnerPriority }, "192.0.2.10/24"},
		"on an interface without VIP": {false, func(c *vrrp.Config) { c.Addresses[0].Interface = "eth1" }, "192.0.2.10/24"},
		"bound by a route":            {true, func(c *vrrp.Config) { c.Bind = vrrp.BindLocalRoute }, "192.0.2.10/24"},
		"below the virtual MAC":       {true, func(c *vrrp.Config) { c.VirtualMAC = true }, "192.0.2.10/24"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			cfg := web()
			set.change(&cfg)
			b.with([]string{set.have}, nil)
			b.e.Apply(b.now, desired(cfg))
			b.run(10 * time.Second)
			if !set.want {
				b.is("web", vrrp.Active)
				return
			}
			b.is("web", vrrp.Fault)
			b.wants("web: fault, was initialize: " + set.have + " is on eth0 already and usher did not put it there")
			b.with(nil, nil)
			b.run(20 * time.Second)
			b.is("web", vrrp.Active)
			b.said = nil
			b.with([]string{set.have}, nil) // beside usher's own: nothing is wrong before it gives way
			b.is("web", vrrp.Active)
			b.never("fault")
		})
	}
	t.Run("while backup", func(t *testing.T) {
		b := newBench(t)
		b.e.Apply(b.now, desired(web()))
		b.hear("192.0.2.7", advertOf(web(), false, 150))
		b.is("web", vrrp.Backup)
		b.with([]string{"192.0.2.10/24"}, nil)
		b.is("web", vrrp.Fault)
		b.said = nil
		b.with(nil, nil)
		b.is("web", vrrp.Backup)
		b.never("holds")
	})
}

// TestLeftoverWhileNotActive: one with usher's mark, which nobody can have put there
// but an usher, is taken away; an active instance's own is not.
func TestLeftoverWhileNotActive(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, desired(web()))
	b.hear("192.0.2.7", advertOf(web(), false, 150))
	b.said = nil
	b.with(nil, []string{"192.0.2.10/24"})
	b.wants("web holds false")
	b.is("web", vrrp.Backup)
	b.with(nil, []string{"192.0.2.77/24"})
	b.never("holds")
	b.run(10 * time.Second)
	b.is("web", vrrp.Active)
	b.said = nil
	b.with(nil, []string{"192.0.2.10/24"})
	b.never("holds")
}
