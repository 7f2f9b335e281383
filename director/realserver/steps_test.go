package realserver

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
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

// One tunnel takes GRE with a checksum or without.
func TestConflict(t *testing.T) {
	n := Need{VIP: netip.MustParseAddr("192.0.2.1"), RIP: netip.MustParseAddr("10.0.0.1"), Forward: director.Tun, Tunnel: ipvs.Tunnel{Type: ipvs.GRE}}
	sum := n
	sum.Tunnel.Flags = ipvs.TunnelCsum
	if err := conflict([]Need{n, n}); err != nil {
		t.Error(err)
	}
	if err := conflict([]Need{n, sum}); err == nil {
		t.Error("both at once are no error")
	}
}

func TestSteps(t *testing.T) {
	rip4, rip6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::2")
	for _, kind := range []string{"gre", "tnl"} {
		if name := own(kind, rip6); len(name) > 15 {
			t.Errorf("%s is too long for a device", name)
		}
	}
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
		{"tunnels of its own", []Need{
			need("192.0.2.1", "2001:db8::2", director.Tun, ipvs.Tunnel{}),
			need("2001:db8::1", "10.0.0.1", director.Tun, ipvs.Tunnel{Type: ipvs.GRE, Flags: ipvs.TunnelCsum}),
		}, own("tnl", rip6) + ` is up
` + own("gre", rip4) + ` is up
net.ipv4.conf.all.arp_ignore = 1
net.ipv4.conf.all.arp_announce = 2
net.ipv4.conf.all.rp_filter = 0
net.ipv4.conf.` + own("tnl", rip6) + `.rp_filter = 0
192.0.2.1/32 on ` + own("tnl", rip6) + `
2001:db8::1/128 on ` + own("gre", rip4) + `
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

// TestUndoSays what it took back and what was found instead.
func TestUndoSays(t *testing.T) {
	step := Step{Kind: Address, Device: "usher-none", Address: netip.MustParseAddr("192.0.2.1")}
	if got, want := (Item{Step: step, Found: absent, Changed: true}).String(), "undone   192.0.2.1/32 on usher-none (before: not there)"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	state := t.TempDir()
	if err := save(state, []memo{{Step: step, Found: absent}}); err != nil {
		t.Fatal(err)
	}
	leftover := filepath.Join(state, ".real-server.json12")
	if err := os.WriteFile(leftover, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	items, err := Undo(state)
	if err != nil || len(items) != 1 {
		t.Fatalf("%v, %v", items, err)
	}
	if left, err := os.ReadDir(state); err != nil || len(left) != 0 {
		t.Errorf("left in the state folder: %v, %v", left, err)
	}
	if got, want := items[0].String(), "missing  192.0.2.1/32 on usher-none (is not there)"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
