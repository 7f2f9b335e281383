package socket

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/vrrp"
	"usher/vrrp/engine"
	"usher/vrrp/packet"
)

// TestRFC9568_5_1_1_IPv4: what stands in the headers of an advert over IPv4.
func TestRFC9568_5_1_1_IPv4(t *testing.T) {
	l := newLab(t)
	l.apply(config())
	f := l.sniff()
	if f.dst.String() != "01:00:5e:00:00:12" || f.msg.TTL != 255 || f.msg.Destination != netip.MustParseAddr("224.0.0.18") ||
		f.msg.Source != netip.MustParseAddr("192.0.2.5") || f.tos != 0xc0 {
		t.Errorf("sent %+v", f)
	}
	if f.advert.VRID != 51 || f.advert.Priority != 100 || f.advert.Interval != 50*time.Millisecond {
		t.Errorf("advert %+v", f.advert)
	}
	link, err := netlink.LinkByName(near)
	if err != nil {
		t.Fatal(err)
	}
	if f.src.String() != link.Attrs().HardwareAddr.String() {
		t.Errorf("from %v, the interface is %v", f.src, link.Attrs().HardwareAddr)
	}
}

// TestRFC9568_5_1_2_IPv6: hop limit, link-local source and group over IPv6; and what
// a peer sends there is heard.
func TestRFC9568_5_1_2_IPv6(t *testing.T) {
	l := newLab(t)
	c := config()
	c.Addresses = []vrrp.Address{{Prefix: netip.MustParsePrefix("fe80::10/64")}, {Prefix: netip.MustParsePrefix("2001:db8::10/64")}}
	l.apply(c)
	f := l.sniff()
	if f.dst.String() != "33:33:00:00:00:12" || f.msg.TTL != 255 || f.msg.Destination != netip.MustParseAddr("ff02::12") ||
		f.msg.Source != netip.MustParseAddr("fe80::5") || f.tos != 0xc0 {
		t.Errorf("sent %+v", f)
	}
	l.await(vrrp.Active)
	l.inject("fe80::7", peerMAC, advert(c, true, 150))
	if e := l.await(vrrp.Backup); e.Peer != netip.MustParseAddr("fe80::7") {
		t.Errorf("gave way to %v", e.Peer)
	}
}

// TestRFC9568_7_3_VirtualMAC: frames bear the virtual router's address; and a peer
// that uses the same is heard although the kernel gives its frames to the macvlan.
func TestRFC9568_7_3_VirtualMAC(t *testing.T) {
	l := newLab(t)
	c := config()
	c.VirtualMAC = true
	l.apply(c)
	if f := l.sniff(); f.src.String() != "00:00:5e:00:01:33" {
		t.Errorf("from %v", f.src)
	}
	l.await(vrrp.Active)
	parent, err := netlink.LinkByName(near)
	if err != nil {
		t.Fatal(err)
	}
	attrs := netlink.LinkAttrs{Name: vrrp.VirtualDevice(c, false), ParentIndex: parent.Attrs().Index, HardwareAddr: vrrp.VirtualMAC(51, false)}
	if err := netlink.LinkAdd(&netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_PRIVATE}); err != nil {
		t.Fatal(err)
	}
	macvlan, err := netlink.LinkByName(attrs.Name)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(macvlan); err != nil {
		t.Fatal(err)
	}
	l.apply(c) // looks at the interfaces
	before := l.received()
	l.inject("192.0.2.7", vrrp.VirtualMAC(51, false), advert(c, false, 150))
	l.await(vrrp.Backup)
	if got := l.received() - before; got != 1 {
		t.Errorf("one advert counted %d times", got)
	}
	// Any other frame is heard on the interface as ever, and once.
	l.inject("192.0.2.7", peerMAC, advert(c, false, 151))
	l.inject("192.0.2.7", peerMAC, advert(c, false, 152))
	l.await(vrrp.Active)
	if got := l.received() - before; got != 3 {
		t.Errorf("three adverts counted %d times", got)
	}
}

func (l *lab) received() (n uint64) {
	l.t.Helper()
	err := l.loop.Call(l.t.Context(), func(now time.Time, e *engine.Engine) { n = e.Status(now)[0].Stats.AdvertsReceived })
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

// TestQueueBeatsTimer: a loop that slept past its deadline believes what waits in its
// socket before it believes the timer.
func TestQueueBeatsTimer(t *testing.T) {
	for range 5 {
		t.Run("", func(t *testing.T) {
			l := newLab(t)
			c := config()
			l.apply(c)
			l.await(vrrp.Backup)
			asleep := make(chan struct{})
			wake := make(chan struct{})
			l.inject("192.0.2.7", peerMAC, advert(c, false, 150))
			l.loop.Do(func(time.Time, *engine.Engine) {
				close(asleep)
				<-wake
			})
			<-asleep
			l.inject("192.0.2.7", peerMAC, advert(c, false, 150))
			<-time.After(300 * time.Millisecond) // longer than Active_Down_Interval
			close(wake)
			if err := l.loop.Call(t.Context(), func(now time.Time, e *engine.Engine) {
				if s := e.Status(now)[0]; s.State != vrrp.Backup || s.Stats.BecameActive != 0 {
					t.Errorf("%v, was active %d times: %s", s.State, s.Stats.BecameActive, s.Reason)
				}
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestStalledListens: a loop that finds its deadline past and nothing in its sockets
// listens before it claims: the active router may have stood still with it.
func TestStalledListens(t *testing.T) {
	l := newLab(t)
	l.apply(config())
	l.await(vrrp.Backup)
	asleep, wake := make(chan struct{}), make(chan struct{})
	l.loop.Do(func(time.Time, *engine.Engine) {
		close(asleep)
		<-wake
	})
	<-asleep
	awake := make(chan vrrp.Status, 1)
	l.loop.Do(func(now time.Time, e *engine.Engine) { awake <- e.Status(now)[0] }) // runs once its timer has been looked at
	<-time.After(300 * time.Millisecond)                                           // longer than Active_Down_Interval
	close(wake)
	if s := <-awake; s.State != vrrp.Backup {
		t.Errorf("%v: %s", s.State, s.Reason)
	}
	l.await(vrrp.Active) // nobody speaks
}

// TestResignsAtTheEnd: when its context ends the loop resigns and drops the addresses.
func TestResignsAtTheEnd(t *testing.T) {
	l := newLab(t)
	l.apply(config())
	l.await(vrrp.Active)
	if !<-l.holds {
		t.Fatal("not held")
	}
	l.end()
	for l.sniff().advert.Priority != 0 {
		continue
	}
	if <-l.holds {
		t.Error("still held")
	}
	l.done <- <-l.done
	if err := l.loop.Call(context.Background(), func(time.Time, *engine.Engine) {}); err == nil {
		t.Error("a loop that has ended takes commands")
	}
}

// TestInterface: one that is not there, comes, loses its carrier, is renamed, answers no
// ARP, is a bridge's port.
func TestInterface(t *testing.T) {
	l := newLab(t)
	link, err := netlink.LinkByName(near)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	c := config()
	c.Interface = "lan0"
	l.apply(c)
	if e := l.await(vrrp.Fault); e.Reason != "interface lan0 is not there" {
		t.Errorf("fault: %s", e.Reason)
	}
	must(netlink.LinkSetDown(link))
	must(netlink.LinkSetName(link, "lan0"))
	must(netlink.LinkSetUp(link))
	l.await(vrrp.Active)
	other, err := netlink.LinkByName(far)
	must(err)
	must(netlink.LinkSetDown(other))
	if e := l.await(vrrp.Fault); e.Reason != "interface lan0 is down" {
		t.Errorf("fault: %s", e.Reason)
	}
	must(netlink.LinkSetUp(other))
	l.await(vrrp.Active)
	must(netlink.LinkSetARPOff(link))
	if e := l.await(vrrp.Fault); e.Reason != "interface lan0 has ARP off: ip link set lan0 arp on" {
		t.Errorf("fault: %s", e.Reason)
	}
	must(netlink.LinkSetARPOn(link))
	l.await(vrrp.Active)
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
	must(netlink.LinkAdd(bridge))
	t.Cleanup(func() { _ = netlink.LinkDel(bridge) })
	must(netlink.LinkSetUp(bridge))
	must(netlink.LinkSetMaster(link, bridge))
	if e := l.await(vrrp.Fault); !strings.HasPrefix(e.Reason, "interface lan0 is a port of bridge br0, ") {
		t.Errorf("fault: %s", e.Reason)
	}
	must(netlink.LinkSetNoMaster(link))
	l.await(vrrp.Active)
	l.sniff() // past what the far end's having been down left on its socket
	l.inject("192.0.2.7", peerMAC, advert(c, false, 200))
	l.await(vrrp.Backup) // it hears again
	l.await(vrrp.Active)
	// Another MAC address is of no matter, another source is taken at once.
	must(netlink.LinkSetHardwareAddr(link, net.HardwareAddr{2, 0, 0, 0, 0, 99}))
	must(netlink.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(192, 0, 2, 66), Mask: net.CIDRMask(24, 32)}}))
	must(netlink.AddrDel(link, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(192, 0, 2, 5), Mask: net.CIDRMask(24, 32)}}))
	// The kernel drops the second with the first of a network: it comes as new.
	_ = netlink.AddrReplace(link, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(192, 0, 2, 66), Mask: net.CIDRMask(24, 32)}})
	for l.sniff().msg.Source != netip.MustParseAddr("192.0.2.66") {
		continue
	}
	must(netlink.LinkSetDown(link))
	l.await(vrrp.Fault)
}

// TestUnicast: adverts go to the peer through the IP stack, with the TTL asked for,
// and only the peer's are taken.
func TestUnicast(t *testing.T) {
	l := newLab(t)
	link, err := netlink.LinkByName(near)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.NeighAdd(&netlink.Neigh{LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: net.IPv4(192, 0, 2, 7), HardwareAddr: peerMAC}); err != nil {
		t.Fatal(err)
	}
	c := config()
	c.Unicast = &vrrp.Unicast{TTL: 64, Peers: []vrrp.Peer{{Address: netip.MustParseAddr("192.0.2.7")}}}
	l.apply(c)
	f := l.sniff()
	if f.msg.TTL != 64 || f.msg.Destination != netip.MustParseAddr("192.0.2.7") || f.dst.String() != peerMAC.String() {
		t.Errorf("sent %+v", f)
	}
}

// TestUnicast_IPv6: the same over IPv6, from an address of the interface's that is not
// link-local where there is one; and the peer is heard.
func TestUnicast_IPv6(t *testing.T) {
	l := newLab(t)
	link, err := netlink.LinkByName(near)
	if err != nil {
		t.Fatal(err)
	}
	address := &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP("2001:db8::5"), Mask: net.CIDRMask(64, 128)}, Flags: unix.IFA_F_NODAD}
	if err := netlink.AddrAdd(link, address); err != nil {
		t.Fatal(err)
	}
	neighbour := &netlink.Neigh{LinkIndex: link.Attrs().Index, Family: netlink.FAMILY_V6, State: netlink.NUD_PERMANENT, IP: net.ParseIP("2001:db8::7"), HardwareAddr: peerMAC}
	if err := netlink.NeighAdd(neighbour); err != nil {
		t.Fatal(err)
	}
	c := config()
	c.Addresses = []vrrp.Address{{Prefix: netip.MustParsePrefix("fe80::10/64")}, {Prefix: netip.MustParsePrefix("2001:db8::10/64")}}
	c.Unicast = &vrrp.Unicast{TTL: 64, Peers: []vrrp.Peer{{Address: netip.MustParseAddr("2001:db8::7")}}}
	l.apply(c)
	f := l.sniff()
	if f.msg.TTL != 64 || f.msg.Source != netip.MustParseAddr("2001:db8::5") || f.msg.Destination != netip.MustParseAddr("2001:db8::7") || f.dst.String() != peerMAC.String() {
		t.Errorf("sent %+v", f)
	}
	l.await(vrrp.Active)
	out := engine.Outgoing{Source: netip.MustParseAddr("2001:db8::7"), Destination: netip.MustParseAddr("2001:db8::5"), TTL: 64}
	out.Payload = packet.Append(nil, advert(c, true, 150), out.Source, out.Destination, packet.FormPseudoHeader)
	b := append(append([]byte(link.Attrs().HardwareAddr), peerMAC...), 0x86, 0xdd)
	if err := unix.Sendto(l.fd, append(header6(b, out), out.Payload...), 0, &unix.SockaddrLinklayer{Ifindex: l.index}); err != nil {
		t.Fatal(err)
	}
	l.await(vrrp.Backup)
}
