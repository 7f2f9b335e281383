package announce

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var (
	local  = Local{ASN: 65001, RouterID: netip.MustParseAddr("192.0.2.1")}
	router = Peer{Address: netip.MustParseAddr("192.0.2.254"), ASN: 65000, HoldTime: 9 * time.Second}
	web    = Announcement{Name: "web", Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.10/32"), netip.MustParsePrefix("2001:db8::10/128")}}
)

// expect wants one complaint, about a key and with some words; none where the key is "".
func expect(t *testing.T, errs []error, key, words string) {
	t.Helper()
	if key == "" {
		if len(errs) > 0 {
			t.Errorf("%v, want no complaint", errs)
		}
		return
	}
	var f *FieldError
	if len(errs) != 1 || !errors.As(errs[0], &f) || f.Key != key || !strings.Contains(f.Error(), words) {
		t.Errorf("%v, want one about %s with %q", errs, key, words)
	}
}

func TestValidateLocal(t *testing.T) {
	for _, test := range []struct {
		change     func(*Local)
		key, words string
	}{
		{func(*Local) {}, "", ""},
		{func(l *Local) { l.ASN = 23456 }, "asn", "reserved"},
		{func(l *Local) { l.RouterID = netip.MustParseAddr("2001:db8::1") }, "router_id", "IPv4"},
		{func(l *Local) { l.RouterID = netip.Addr{} }, "router_id", "IPv4"},
		{func(l *Local) { l.GracefulRestart = 1500 * time.Millisecond }, "graceful_restart", "whole seconds"},
		{func(l *Local) { l.GracefulRestart = 4096 * time.Second }, "graceful_restart", "whole seconds"},
		{func(l *Local) { l.GracefulRestart = 120 * time.Second }, "", ""},
	} {
		l := local
		test.change(&l)
		expect(t, l.Validate(), test.key, test.words)
	}
}

func TestValidatePeer(t *testing.T) {
	fast := BFD{MinTX: 50 * time.Millisecond, MinRX: 50 * time.Millisecond, Multiplier: 3}
	for _, test := range []struct {
		change     func(*Peer)
		key, words string
	}{
		{func(*Peer) {}, "", ""},
		{func(p *Peer) { p.ASN = 0 }, "asn", "reserved"},
		{func(p *Peer) { p.Address = netip.MustParseAddr("fe80::1") }, "address", "fe80::1%eth0"},
		{func(p *Peer) { p.Address = netip.MustParseAddr("fe80::1%eth0") }, "", ""},
		{func(p *Peer) { p.Address = netip.MustParseAddr("224.0.0.1") }, "address", "no router's"},
		{func(p *Peer) { p.Source = netip.MustParseAddr("2001:db8::1") }, "source", "family"},
		{func(p *Peer) { p.NextHop4 = netip.MustParseAddr("2001:db8::1") }, "next_hop4", "IPv4"},
		{func(p *Peer) { p.NextHop6 = netip.MustParseAddr("192.0.2.1") }, "next_hop6", "IPv6"},
		{func(p *Peer) { p.NextHop6 = netip.MustParseAddr("2001:db8::1") }, "", ""},
		{func(p *Peer) { p.Password = strings.Repeat("x", 80) }, "", ""},
		{func(p *Peer) { p.Password = strings.Repeat("x", 81) }, "password", "81 bytes"},
		{func(p *Peer) { p.TTLSecurity, p.MultiHop = true, 2 }, "multihop", "one of the two"},
		{func(p *Peer) { p.HoldTime = 2 * time.Second }, "hold_time", "3s"},
		{func(p *Peer) { p.HoldTime = 3500 * time.Millisecond }, "hold_time", "whole seconds"},
		{func(p *Peer) { p.HoldTime, p.BFD = 0, fast }, "hold_time", "3s"},
		{func(p *Peer) { p.BFD = BFD{MinTX: time.Second, MinRX: 3 * time.Second, Multiplier: 3} }, "hold_time", "before BFD"},
		{func(p *Peer) { p.BFD, p.MultiHop = fast, 4 }, "bfd", "direct neighbours"},
	} {
		p := router
		test.change(&p)
		expect(t, p.Validate(local), test.key, test.words)
	}
}

func TestValidateAnnouncement(t *testing.T) {
	for _, test := range []struct {
		prefixes   []string
		key, words string
	}{
		{[]string{"192.0.2.10/32", "2001:db8::10/128"}, "", ""},
		{nil, "addresses", "no address"},
		{[]string{"192.0.2.10/32", "192.0.2.0/24"}, "addresses[1]", "192.0.2.0/32"},
		{[]string{"2001:db8::10/64"}, "addresses[0]", "2001:db8::10/128"},
		{[]string{"127.0.0.1/32"}, "addresses[0]", "cannot be routed"},
		{[]string{"192.0.2.10/32", "192.0.2.10/32"}, "addresses[1]", "twice"},
	} {
		a := Announcement{Name: "web"}
		for _, p := range test.prefixes {
			a.Prefixes = append(a.Prefixes, netip.MustParsePrefix(p))
		}
		expect(t, a.Validate(), test.key, test.words)
	}
}

func TestValidateSet(t *testing.T) {
	other := web
	other.Name = "other"
	other.Prefixes = web.Prefixes[1:]
	errs, at := Config{Local: local, Peers: []Peer{router}, Announcements: []Announcement{web, other}}.ValidateSet()
	expect(t, errs, "addresses[0]", `"web"`)
	if len(at) != 1 || at[0] != 1 {
		t.Errorf("of announcements %v, want the second", at)
	}
	graceful := local
	graceful.GracefulRestart = time.Minute
	errs, at = Config{Local: graceful, Peers: []Peer{router}}.ValidateSet()
	expect(t, errs, "graceful_restart", "dead")
	if len(at) != 1 || at[0] != -1 {
		t.Errorf("of announcements %v, want the speaker's", at)
	}
}

func TestParseCommunity(t *testing.T) {
	for text, want := range map[string]Community{"65000:100": 65000<<16 | 100, "0:1": 1, "no-export": 0xFFFFFF01, "65535:65281": 0xFFFFFF01} {
		if c, err := ParseCommunity(text); err != nil || c != want {
			t.Errorf("%s: %v, %v", text, c, err)
		}
	}
	for _, text := range []string{"", "1", "65536:1", "1:-1", "1:2:3", "a:b", "graceful-shutdown", "65535:0"} {
		if c, err := ParseCommunity(text); err == nil {
			t.Errorf("%q is taken for %s", text, c)
		}
	}
	if got := (Community(65000<<16 | 100)).String(); got != "65000:100" {
		t.Errorf("shown as %s", got)
	}
}
