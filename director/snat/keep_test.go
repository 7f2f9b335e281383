package snat

import (
	"net/netip"
	"testing"

	"usher/director"
	"usher/director/ipvs"
)

func TestBounds(t *testing.T) {
	for _, c := range []struct{ prefix, from, to string }{
		{"192.0.2.0/24", "192.0.2.0", "192.0.2.255"},
		{"192.0.2.8/30", "192.0.2.8", "192.0.2.11"},
		{"192.0.2.9/32", "192.0.2.9", "192.0.2.9"},
		{"10.0.0.0/7", "10.0.0.0", "11.255.255.255"},
		{"2001:db8::/126", "2001:db8::", "2001:db8::3"},
		{"2001:db8::7/128", "2001:db8::7", "2001:db8::7"},
	} {
		from, to := bounds(netip.MustParsePrefix(c.prefix))
		if from.String() != c.from || to.String() != c.to {
			t.Errorf("%s: %s to %s, want %s to %s", c.prefix, from, to, c.from, c.to)
		}
	}
}

func TestRules(t *testing.T) {
	key := func(s string) ipvs.ServiceKey { return ipvs.AddressKey(ipvs.TCP, netip.MustParseAddrPort(s)) }
	pool := []netip.Prefix{netip.MustParsePrefix("10.9.0.1/32"), netip.MustParsePrefix("10.9.1.0/24")}
	got := text(build([]director.SNATRule{
		{Service: key("192.0.2.1:80")},
		{Service: key("192.0.2.1:443")},
		{Service: key("192.0.2.2:80"), Pool: pool},
		{Service: key("[2001:db8::1]:80")},
		{Service: key("[2001:db8::1]:81"), Except: []netip.AddrPort{netip.MustParseAddrPort("[2001:db8::9]:81")}},
		{Service: ipvs.MarkKey(7, false), Pool: pool[:1]},
	}))
	want := `prerouting: tcp 192.0.2.1:80 mark 0x76000001 (10)
prerouting: tcp 192.0.2.1:443 mark 0x76000001 (10)
prerouting: tcp 192.0.2.2:80 mark 0x76000002 (10)
prerouting: tcp [2001:db8::1]:80 mark 0x76000003 (10)
prerouting: tcp [2001:db8::1]:81 mark 0x76000004 (10)
postrouting: mark 0x76000001 ipv4 masquerade (7)
postrouting: mark 0x76000002 ipv4 snat 10.9.0.1/32 1 of 2 (10)
postrouting: mark 0x76000002 ipv4 snat 10.9.1.0/24 (9)
postrouting: mark 0x76000003 ipv6 masquerade (7)
postrouting: mark 0x76000004 ipv6 not to [2001:db8::9]:81 (11)
postrouting: mark 0x76000004 ipv6 masquerade (7)
postrouting: mark 0x7 ipv4 snat 10.9.0.1/32 (8)
`
	if got != want {
		t.Errorf("rules:\n%s\nwant:\n%s", got, want)
	}
}
