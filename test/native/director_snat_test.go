package native

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"usher/director"
	"usher/director/ipvs"
	"usher/director/snat"
	"usher/test/lab"
	"usher/test/lab/labtest"
)

// The fullnat rules are as the kernel shows them, are put right after anybody's
// change, and leave nothing.
func TestFullNATRules(t *testing.T) {
	l := suite.New(t, "")
	service := func(a string) ipvs.ServiceKey { return ipvs.AddressKey(ipvs.TCP, netip.MustParseAddrPort(a)) }
	rules := []director.SNATRule{
		{Service: service("192.0.2.1:80")},
		{Service: service("192.0.2.2:443"), Pool: []netip.Prefix{netip.MustParsePrefix("10.9.0.1/32"), netip.MustParsePrefix("10.9.1.0/30")}},
		{Service: service("[2001:db8::1]:80")},
		{Service: ipvs.MarkKey(7, false)},
		{Service: service("192.0.2.1:81"), Except: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:8081")}},
	}
	k := snat.New()
	keep := func(rules []director.SNATRule, want bool) {
		t.Helper()
		labtest.Must(t, l.A.Do(func() error {
			changed, err := k.Keep(rules)
			if changed != want {
				t.Errorf("changed %t, want %t", changed, want)
			}
			return err
		}))
	}
	told := make(chan struct{}, 100)
	watching := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		watching <- l.A.Do(func() error { return k.Watch(ctx, func() { told <- struct{}{} }) })
	}()
	// tells waits until the kernel tells of a change that was made again and again.
	tells := func(change func()) {
		t.Helper()
		labtest.Must(t, lab.Until(ctx, "the kernel tells of the change", func() error {
			change()
			select {
			case <-told:
				return nil
			case <-time.After(100 * time.Millisecond):
				return errors.New("it is silent")
			}
		}))
	}
	tells(func() {
		keep(rules, true)
		keep(nil, true)
	})
	keep(rules, true)
	keep(rules, false)
	shown := labtest.Run(t, l.A, "nft", "list", "table", "inet", snat.Table)
	for _, want := range []string{
		"hook prerouting priority mangle",
		"ip daddr 192.0.2.2 tcp dport 443 meta mark set 0x76000002",
		"ip6 daddr 2001:db8::1 tcp dport 80 meta mark set 0x76000003",
		"hook postrouting priority srcnat",
		"meta mark 0x76000001 fib daddr type != local masquerade",
		"fib daddr type != local numgen random mod 2 0 snat ip to 10.9.0.1",
		"snat ip to 10.9.1.0/30",
		"meta mark 0x76000004 fib daddr type != local ip daddr 10.0.0.1 th dport 8081 return",
		"meta mark 0x76000004 fib daddr type != local masquerade",
		"meta mark 0x00000007 fib daddr type != local masquerade",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("nft does not show %q:\n%s", want, shown)
		}
	}
	for _, harm := range [][]string{
		{"flush", "chain", "inet", snat.Table, "prerouting"},
		{"delete", "table", "inet", snat.Table},
		{"add", "rule", "inet", snat.Table, "postrouting", "accept"},
		{"add", "chain", "inet", snat.Table, "other"},
	} {
		for len(told) > 0 {
			<-told
		}
		labtest.Run(t, l.A, append([]string{"nft"}, harm...)...)
		tells(func() {})
		keep(rules, true)
		keep(rules, false)
	}
	cancel()
	labtest.Must(t, <-watching)
	keep(rules[:1], true)
	keep(nil, true)
	keep(nil, false)
	if left := labtest.Run(t, l.A, "nft", "list", "table", "inet", snat.Table); !strings.Contains(left, "meta mark 0x76000000 masquerade") || strings.Count(left, "mark 0x") != 1 {
		t.Errorf("without rules there is:\n%s", left)
	}
	for _, wanted := range [][]director.SNATRule{nil, rules[:1]} {
		labtest.Must(t, l.A.Do(func() error {
			same, err := k.Same(wanted)
			if same != (wanted == nil) {
				t.Errorf("%v are there: %t", wanted, same)
			}
			return err
		}))
	}
	for range 2 {
		labtest.Must(t, l.A.Do(k.Remove))
	}
	if left := labtest.Run(t, l.A, "nft", "list", "ruleset"); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
}
