package engine

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"usher/vrrp"
)

// unicastTo is web as a router that sends to one peer, without preemption.
func unicastTo(peer, source string) vrrp.Config {
	c := web()
	c.Preempt = false
	c.Unicast = &vrrp.Unicast{Peers: []vrrp.Peer{{Address: netip.MustParseAddr(peer)}}}
	c.Source4 = netip.MustParseAddr(source)
	return c
}

// card tells the engine of eth0 with a MAC address.
func (b *bench) card(up bool, mac byte, addresses ...string) {
	l := Link{Name: "eth0", Index: 2, Up: up, MAC: net.HardwareAddr{2, 0, 0, 0, 0, mac}}
	for _, a := range addresses {
		l.Addresses = append(l.Addresses, netip.MustParseAddr(a))
	}
	b.e.Link(b.now, l)
}

// TestOwnSourceIsAnnounced: where the source of unicast adverts is, is told whenever it
// may be news to a peer, once for all instances, and never otherwise.
func TestOwnSourceIsAnnounced(t *testing.T) {
	const first, second, third = "192.0.2.5 is at 02:00:00:00:00:01 on eth0", "192.0.2.5 is at 02:00:00:00:00:02 on eth0", "192.0.2.6 is at 02:00:00:00:00:02 on eth0"
	b := newBench(t)
	b.card(true, 1, "192.0.2.5", "192.0.2.6", "fe80::5")
	again := unicastTo("192.0.2.7", "192.0.2.5")
	again.Name, again.VRID = "again", 52
	b.e.Apply(b.now, desired(unicastTo("192.0.2.7", "192.0.2.5"), again))
	if told := slices.DeleteFunc(slices.Clone(b.said), func(s string) bool { return s != first }); len(told) != 1 {
		t.Fatalf("announced %d times in %q, want once", len(told), b.said)
	}
	b.wants(first, "backup, was initialize")
	b.run(sourceEvery / 2)
	b.card(true, 1, "192.0.2.5", "192.0.2.6", "fe80::5", "192.0.2.77")
	b.e.Apply(b.now, desired(unicastTo("192.0.2.7", "192.0.2.5"), again))
	b.never(" is at ")

	b.card(true, 2, "192.0.2.5", "192.0.2.6", "fe80::5")
	b.wants(second)
	b.card(false, 2, "192.0.2.5", "192.0.2.6", "fe80::5")
	b.never(" is at ")
	b.card(true, 2, "192.0.2.5", "192.0.2.6", "fe80::5") // perhaps on another port
	b.wants(second)
	b.card(true, 2, "192.0.2.6", "fe80::5")
	b.never(" is at ")
	b.card(true, 2, "192.0.2.5", "192.0.2.6", "fe80::5")
	b.wants(second)
	b.e.Apply(b.now, desired(unicastTo("192.0.2.7", "192.0.2.6"), again))
	b.wants(third)
}

// TestOwnSourceIsToldAgain: a router that hears no other one tells again and again, once
// for all its instances; a backup that hears the active one does not.
func TestOwnSourceIsToldAgain(t *testing.T) {
	const told = "192.0.2.5 is at 02:00:00:00:00:01 on eth0"
	b := newBench(t)
	b.card(true, 1, "192.0.2.5", "fe80::5")
	again := unicastTo("192.0.2.7", "192.0.2.5")
	again.Name, again.VRID = "again", 52
	b.e.Apply(b.now, desired(unicastTo("192.0.2.7", "192.0.2.5"), again))
	b.said = nil
	b.run(4*sourceEvery + time.Second)
	if n := len(slices.DeleteFunc(slices.Clone(b.said), func(s string) bool { return s != told })); n != 4 {
		t.Errorf("an active router told %d times, want 4", n)
	}
}

// TestOwnSourceIsToldAgain_Group: so does a backup that would take over, if the
// others of its sync group were not kept from it by an active router that they hear.
func TestOwnSourceIsToldAgain_Group(t *testing.T) {
	const told = "192.0.2.5 is at 02:00:00:00:00:01 on eth0"
	b := newBench(t)
	b.card(true, 1, "192.0.2.5", "fe80::5")
	deaf, hears := unicastTo("192.0.2.7", "192.0.2.5"), unicastTo("192.0.2.7", "192.0.2.5")
	deaf.Name, deaf.VRID = "deaf", 52
	d := desired(deaf, hears)
	d.Groups = []vrrp.Group{{Name: "all", Instances: []string{deaf.Name, hears.Name}}}
	b.e.Apply(b.now, d)
	b.said = nil
	for at := time.Second; at <= 2*sourceEvery+5*time.Second; at += time.Second { // deaf's down timer runs out at 3.6 s
		b.hear("192.0.2.7", advertOf(hears, false, 200), func(m *Incoming) { m.Destination = hears.Source4 })
		b.e.Expire(b.now) // as the loop does after all that it receives
		b.run(at)
	}
	b.is(hears.Name, vrrp.Backup)
	if n := len(slices.DeleteFunc(slices.Clone(b.said), func(s string) bool { return s != told })); n != 2 {
		t.Errorf("told %d times, want 2: %q", n, b.said)
	}
}

// TestOwnSourceOfBothFamilies: each family has its own; and a multicast router has none
// that anybody sends to.
func TestOwnSourceOfBothFamilies(t *testing.T) {
	b := newBench(t)
	b.card(true, 1, "192.0.2.5", "2001:db8::5", "fe80::5")
	c := instanceConfig("web", 51, "192.0.2.10/24", "fe80::10/64")
	b.e.Apply(b.now, desired(c))
	b.never(" is at ")
	c.Unicast = &vrrp.Unicast{Peers: []vrrp.Peer{{Address: netip.MustParseAddr("192.0.2.7")}, {Address: netip.MustParseAddr("2001:db8::7")}}}
	b.e.Apply(b.now, desired(c))
	b.wants("192.0.2.5 is at 02:00:00:00:00:01 on eth0", "2001:db8::5 is at 02:00:00:00:00:01 on eth0")
}

// TestOwnSourceWithoutInterface: an instance that names none tells it where the address
// is; on a loopback there is nobody to tell.
func TestOwnSourceWithoutInterface(t *testing.T) {
	b := newBench(t)
	b.card(true, 1, "192.0.2.5", "fe80::5")
	c := unicastTo("203.0.113.7", "192.0.2.5")
	c.Interface = ""
	c.Addresses[0].Interface = "eth0"
	b.e.Apply(b.now, desired(c))
	b.wants("192.0.2.5 is at 02:00:00:00:00:01 on eth0")
	b.e.Link(b.now, Link{Name: "lo", Index: 1, Up: true, Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.5")}})
	c.Source4 = netip.MustParseAddr("203.0.113.5")
	b.e.Apply(b.now, desired(c))
	b.never(" is at ")
}
