package realserver

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"usher/director"
	"usher/director/ipvs"
)

func TestNeedsAreThoseOfThisMachine(t *testing.T) {
	vip := netip.MustParseAddrPort("192.0.2.1:80")
	mine, other := netip.MustParseAddrPort("10.0.0.1:80"), netip.MustParseAddrPort("10.0.0.2:80")
	servers := []director.VirtualServer{
		{Keys: []ipvs.ServiceKey{ipvs.AddressKey(ipvs.TCP, vip), ipvs.MarkKey(7, false)}, Real: []director.RealServer{
			{Address: mine, Forward: director.DR}, {Address: other, Forward: director.DR},
		}},
		{Keys: []ipvs.ServiceKey{ipvs.AddressKey(ipvs.UDP, vip)}, Real: []director.RealServer{{Address: mine, Forward: director.DR}}},
		{Keys: []ipvs.ServiceKey{ipvs.AddressKey(ipvs.UDP, netip.MustParseAddrPort("192.0.2.2:80"))},
			Real: []director.RealServer{{Address: mine, Forward: director.NAT}}},
	}
	got := Needs(servers, []netip.Addr{mine.Addr()})
	if want := (Need{VIP: vip.Addr(), RIP: mine.Addr(), Forward: director.DR}); len(got) != 1 || got[0] != want {
		t.Errorf("%+v, want %+v alone", got, want)
	}
}

func TestSteps(t *testing.T) {
	need := func(vip, rip string, f director.Forward, tunnel ipvs.Tunnel) Need {
		return Need{VIP: netip.MustParseAddr(vip), RIP: netip.MustParseAddr(rip), Forward: f, Tunnel: tunnel}
	}
	for _, c := range []struct {
		name  string
		needs []Need
		want  string
	}{
		{"dr", []Need{need("192.0.2.1", "10.0.0.1", director.DR, ipvs.Tunnel{})}, `net.ipv4.conf.all.arp_ignore = 1
net.ipv4.conf.all.arp_announce = 2
192.0.2.1/32 on lo
`},
		{"dr IPv6", []Need{need("2001:db8::1", "2001:db8::2", director.DR, ipvs.Tunnel{})}, "2001:db8::1/128 on lo\n"},
		{"tun", []Need{need("192.0.2.1", "10.0.0.1", director.Tun, ipvs.Tunnel{})}, `tunl0 is up
net.ipv4.conf.all.arp_ignore = 1
net.ipv4.conf.all.arp_announce = 2
net.ipv4.conf.all.rp_filter = 0
net.ipv4.conf.tunl0.rp_filter = 0
192.0.2.1/32 on tunl0
`},
		{"gue", []Need{need("192.0.2.1", "10.0.0.1", director.Tun, ipvs.Tunnel{Type: ipvs.GUE, Port: 6080})}, `tunl0 is up
net.ipv4.conf.all.arp_ignore = 1
net.ipv4.conf.all.arp_announce = 2
net.ipv4.conf.all.rp_filter = 0
net.ipv4.conf.tunl0.rp_filter = 0
UDP port 6080 unwraps GUE
192.0.2.1/32 on tunl0
`},
		{"families", []Need{
			need("2001:db8::1", "10.0.0.1", director.Tun, ipvs.Tunnel{}),
			need("2001:db8::1", "2001:db8::2", director.Tun, ipvs.Tunnel{}),
			need("2001:db8::1", "10.0.0.1", director.Tun, ipvs.Tunnel{Type: ipvs.GRE}),
		}, `sit0 is up
ip6tnl0 is up
gre0 is up
2001:db8::1/128 on sit0
2001:db8::1/128 on ip6tnl0
2001:db8::1/128 on gre0
`},
	} {
		var b strings.Builder
		for _, s := range Steps(c.needs) {
			fmt.Fprintln(&b, s)
		}
		if b.String() != c.want {
			t.Errorf("%s:\n%s\nwant:\n%s", c.name, b.String(), c.want)
		}
	}
}
