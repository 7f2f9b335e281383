package engine

import (
	"net/netip"
	"testing"
	"time"

	"usher/vrrp"
)

// bouncy is an instance whose interface may be down for half a second, and has to be up
// for two.
func bouncy() vrrp.Config {
	c := web()
	c.InterfaceDownDelay, c.InterfaceUpDelay = 500*time.Millisecond, 2*time.Second
	return c
}

// TestInterfaceBounces: an interface that is back within the delay changes nothing but
// that the addresses are announced again; one that stays down is a fault when the
// delay is over, and has to be up for a while to end it.
func TestInterfaceBounces(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, vrrp.Desired{Instances: []vrrp.Config{bouncy()}})
	b.run(5 * time.Second)
	b.wants("web holds true")
	b.link("eth0", false, "192.0.2.5")
	b.run(5400 * time.Millisecond)
	b.link("eth0", true, "192.0.2.5")
	b.wants("web announces")
	b.run(20 * time.Second)
	b.never("holds false")

	b.said = nil
	b.link("eth0", false, "192.0.2.5")
	b.run(20300 * time.Millisecond)
	b.link("eth1", true, "198.51.100.6") // anything else that is told of
	b.run(20499 * time.Millisecond)
	b.never("holds false")
	b.run(20501 * time.Millisecond)
	b.wants("web holds false", "interface eth0 is down")
	b.link("eth0", true, "192.0.2.5")
	b.run(22500 * time.Millisecond)
	b.never("holds")
	b.link("eth0", false, "192.0.2.5") // not up for long enough
	b.run(23 * time.Second)
	b.link("eth0", true, "192.0.2.5")
	b.run(24999 * time.Millisecond)
	if s := b.status("web"); s.State != vrrp.Fault {
		t.Fatalf("%v after 1.999 s", s.State)
	}
	b.run(25001 * time.Millisecond)
	if s := b.status("web"); s.State != vrrp.Backup {
		t.Fatalf("%v after 2.001 s", s.State)
	}
	b.run(40 * time.Second)
	b.wants("web holds true")
}

// TestBackupDoesNotClaimFromADeadInterface: silence on an interface that is down is no
// sign of a dead peer, however short it has been down.
func TestBackupDoesNotClaimFromADeadInterface(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, vrrp.Desired{Instances: []vrrp.Config{bouncy()}})
	b.run(3300 * time.Millisecond) // the down timer runs out at 3.61 s
	b.link("eth0", false, "192.0.2.5")
	b.run(10 * time.Second)
	if s := b.status("web"); s.State != vrrp.Fault {
		t.Fatal(s.State)
	}
	b.never("holds true")
}

// TestTrackedInterfaceBounces: one that is back within its delay costs no priority.
func TestTrackedInterfaceBounces(t *testing.T) {
	b := newBench(t)
	c := web()
	c.Track = []vrrp.Track{{Kind: vrrp.TrackInterface, Name: "eth1", Weight: -10, DownDelay: time.Second}}
	b.e.Apply(b.now, vrrp.Desired{Instances: []vrrp.Config{c}})
	b.run(5 * time.Second)
	b.link("eth1", false)
	b.run(5900 * time.Millisecond)
	b.link("eth1", true)
	b.run(10 * time.Second)
	b.never("priority 90")
	b.link("eth1", false)
	b.run(11100 * time.Millisecond)
	b.wants("priority 90, was 100")
}

// TestTrackLeavesWhileItBounces: a reload that takes a track out while a change of it
// waits to be believed leaves nothing behind that is due for ever.
func TestTrackLeavesWhileItBounces(t *testing.T) {
	b := newBench(t)
	c := web()
	c.Track = []vrrp.Track{{Kind: vrrp.TrackInterface, Name: "eth1", Weight: -10, DownDelay: time.Second}}
	b.link("eth1", true)
	b.e.Apply(b.now, desired(c))
	b.run(5 * time.Second)
	b.link("eth1", false)
	c.Track = nil
	b.e.Apply(b.now, desired(c))
	b.now = start.Add(6100 * time.Millisecond)
	b.e.Expire(b.now)
	if at, ok := b.e.Deadline(); !ok || !at.After(b.now) {
		t.Errorf("the next deadline is %v ago", b.now.Sub(at))
	}
}

// TestOtherInterfaces: what else an instance needs interfaces for holds it in fault
// while one of them is down or not there, unless it is said not to; a flap shorter than
// the delay counts as little as one of its own.
func TestOtherInterfaces(t *testing.T) {
	for name, change := range map[string]func(c *vrrp.Config, untracked bool){
		"address": func(c *vrrp.Config, u bool) {
			c.Addresses = append(c.Addresses, vrrp.Address{Prefix: netip.MustParsePrefix("198.51.100.10/24"), Interface: "eth1", Untracked: u})
		},
		"route": func(c *vrrp.Config, u bool) { c.Routes = []vrrp.Route{{Interface: "eth1", Untracked: u}} },
		"rule":  func(c *vrrp.Config, u bool) { c.Rules = []vrrp.Rule{{Interface: "eth1", Untracked: u}} },
	} {
		t.Run(name, func(t *testing.T) {
			for _, untracked := range []bool{false, true} {
				b := newBench(t)
				cfg := web()
				change(&cfg, untracked)
				b.e.Apply(b.now, desired(cfg))
				b.run(5 * time.Second)
				b.is("web", vrrp.Active)
				b.said = nil
				b.link("eth1", false)
				if untracked {
					b.is("web", vrrp.Active)
					continue
				}
				b.wants("web sends priority 0", "web: fault, was active: interface eth1 is down")
				b.e.Link(b.now, Link{Name: "eth1", Gone: true})
				if r := b.status("web").Reason; r != "interface eth1 is not there" {
					t.Errorf("reason %q", r)
				}
				b.link("eth1", true)
				b.run(10 * time.Second)
				b.is("web", vrrp.Active)
			}
		})
	}
	b := newBench(t)
	cfg := web()
	cfg.Routes, cfg.InterfaceDownDelay = []vrrp.Route{{Interface: "eth1"}}, time.Second
	b.e.Apply(b.now, desired(cfg))
	b.run(5 * time.Second)
	b.link("eth1", false)
	b.run(5500 * time.Millisecond)
	b.link("eth1", true)
	b.run(8 * time.Second)
	b.is("web", vrrp.Active)
	b.link("eth1", false)
	b.run(9100 * time.Millisecond)
	b.is("web", vrrp.Fault)
}

// TestDeafInterface: an interface that is up and at which nothing arrives, or nobody finds
// the addresses, is a fault while the instance needs it to, and only then.
func TestDeafInterface(t *testing.T) {
	const arp, port = "interface eth0 has ARP off: ip link set eth0 arp on",
		`interface eth0 is a port of bridge br0, where everything arrives: set interface = "br0", or ip link set eth0 nomaster`
	quiet, enslaved := func(l *Link) { l.ARPOff = true }, func(l *Link) { l.Port = Port{Kind: "bridge", Name: "br0"} }
	six := func(c *vrrp.Config) { c.Addresses = []vrrp.Address{{Prefix: netip.MustParsePrefix("fe80::10/64")}} }
	for name, set := range map[string]struct {
		change func(*vrrp.Config)
		link   string
		become func(*Link)
		want   string
	}{
		"ARP off":                       {func(*vrrp.Config) {}, "eth0", quiet, arp},
		"ARP off of another":            {func(*vrrp.Config) {}, "eth1", quiet, ""},
		"ARP off where the address is":  {func(c *vrrp.Config) { c.Addresses[0].Interface = "eth1" }, "eth1", quiet, "interface eth1 has ARP off: ip link set eth1 arp on"},
		"ARP off where no address is":   {func(c *vrrp.Config) { c.Addresses[0].Interface = "eth1" }, "eth0", quiet, ""},
		"ARP off where it is untracked": {func(c *vrrp.Config) { c.Addresses[0].Interface, c.Addresses[0].Untracked = "eth1", true }, "eth1", quiet, ""},
		"ARP off below a virtual MAC":   {func(c *vrrp.Config) { c.VirtualMAC = true }, "eth0", quiet, ""},
		"ARP off, IPv6":                 {six, "eth0", quiet, ""},
		"a port":                        {func(*vrrp.Config) {}, "eth0", enslaved, port},
		"a port, IPv6":                  {six, "eth0", enslaved, port},
		"another is a port":             {func(*vrrp.Config) {}, "eth1", enslaved, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			cfg := web()
			set.change(&cfg)
			links := map[string]Link{
				"eth0": {Name: "eth0", Index: 2, Up: true, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.5"), netip.MustParseAddr("fe80::5")}},
				"eth1": {Name: "eth1", Index: 3, Up: true},
			}
			for _, l := range links {
				b.e.Link(b.now, l)
			}
			b.e.Apply(b.now, desired(cfg))
			b.run(10 * time.Second)
			b.is("web", vrrp.Active)
			sockets := len(b.e.Sockets())
			l := links[set.link]
			set.become(&l)
			b.e.Link(b.now, l)
			if set.want == "" {
				b.is("web", vrrp.Active)
				return
			}
			b.is("web", vrrp.Fault)
			if s := b.status("web"); s.Reason != set.want {
				t.Errorf("fault: %s", s.Reason)
			}
			b.run(20 * time.Second)
			if open := len(b.e.Sockets()); l.Port != (Port{}) && open != 0 {
				t.Errorf("%d sockets stay open on a port", open)
			}
			b.e.Link(b.now, links[set.link])
			if open := len(b.e.Sockets()); open != sockets {
				t.Errorf("%d sockets, %d before", open, sockets)
			}
			b.run(30 * time.Second)
			b.is("web", vrrp.Active)
		})
	}
}

// TestDontTrackPrimary: on a cable to the peer the carrier goes when that is switched off.
// An instance that does not track its interface goes on, as active router, or becomes it;
// other interfaces that it needs, and one that is not there, are faults as always.
func TestDontTrackPrimary(t *testing.T) {
	for _, ignores := range []bool{true, false} {
		cfg := web()
		cfg.Addresses[0].Interface, cfg.DontTrackPrimary = "eth1", ignores
		b := newBench(t)
		b.e.Apply(b.now, desired(cfg))
		b.run(time.Second)
		b.hear("192.0.2.7", advertOf(cfg, false, 200))
		b.is("web", vrrp.Backup)
		b.link("eth0", false, "192.0.2.5", "fe80::5") // the peer is gone
		b.run(10 * time.Second)
		if !ignores {
			b.is("web", vrrp.Fault)
			continue
		}
		b.is("web", vrrp.Active)
		b.said = nil
		b.link("eth0", true, "192.0.2.5", "fe80::5")
		b.link("eth0", false, "192.0.2.5", "fe80::5")
		b.run(20 * time.Second)
		b.never("holds false")
		b.link("eth1", false, "198.51.100.5")
		b.run(21 * time.Second)
		b.is("web", vrrp.Fault)
		b.link("eth1", true, "198.51.100.5")
		b.run(40 * time.Second)
		b.is("web", vrrp.Active)
		b.e.Link(b.now, Link{Name: "eth0", Gone: true})
		b.run(41 * time.Second)
		b.is("web", vrrp.Fault)
	}
}
