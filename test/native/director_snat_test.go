package native

import (
	"context"
	"errors"
	"fmt"
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
		{Service: service("192.0.2.1:81"), Except: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:8081"), netip.MustParseAddrPort("10.0.0.2:0")}},
		{Service: service("192.0.2.3:0")},
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
		"192.0.2.2 . tcp . 443 : ",
		"2001:db8::1 . tcp . 80 : ",
		"192.0.2.3 . tcp : ",
		"meta mark set ip daddr . meta l4proto map @addresses4",
		"meta mark set ip daddr . meta l4proto . th dport map @services4",
		"meta mark set ip6 daddr . meta l4proto . th dport map @services6",
		"hook postrouting priority srcnat",
		"fib daddr type local return",
		"numgen random mod 2 0 snat ip to 10.9.0.1 comment",
		"snat ip to 10.9.1.0/30",
		" . 10.0.0.1 . 8081 }",
		"meta mark . ip daddr . th dport @excepted4 return",
		"meta mark . ip daddr @excepthosts4 return",
		"meta nfproto ipv4 meta mark @masquerade4 masquerade",
		"meta nfproto ipv6 meta mark @masquerade6 masquerade",
		"0x00000007",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("nft does not show %q:\n%s", want, shown)
		}
	}
	handle := func(chain, of string) string {
		listed := labtest.Run(t, l.A, "nft", "-a", "list", "chain", "inet", snat.Table, chain)
		_, after, _ := strings.Cut(listed, of)
		_, after, _ = strings.Cut(after, "# handle ")
		number, _, _ := strings.Cut(after, "\n")
		return strings.TrimSpace(number)
	}
	const local = "snat_10.9.0.1_32_10.9.1.0_30"
	for _, harm := range []string{
		"flush chain inet usher_fullnat prerouting",
		"delete table inet usher_fullnat",
		"flush ruleset",
		"add rule inet usher_fullnat postrouting accept",
		"insert rule inet usher_fullnat prerouting limit rate 1/second accept",
		"add chain inet usher_fullnat other",
		"add chain inet usher_fullnat other { type filter hook forward priority 0 ; policy drop ; }",
		"add chain inet usher_fullnat prerouting { policy drop ; }",
		"add table inet usher_fullnat { flags dormant ; }",
		"replace rule inet usher_fullnat " + local + " handle %s snat ip to 10.9.1.4/30",
		"delete element inet usher_fullnat services4 { 192.0.2.1 . tcp . 80 }",
		"add element inet usher_fullnat services4 { 192.0.2.77 . tcp . 80 : 0x7 }",
		"delete element inet usher_fullnat services4 { 192.0.2.1 . tcp . 80 } ; add element inet usher_fullnat services4 { 192.0.2.1 . tcp . 80 : 0x8 }",
		"add element inet usher_fullnat masquerade4 { 0x9 }",
		"flush map inet usher_fullnat pools4",
		"add set inet usher_fullnat other { type ipv4_addr ; flags timeout ; }",
		"delete rule inet usher_fullnat postrouting handle %s",
	} {
		if strings.Contains(harm, "%s") {
			of, chain := "snat ip to 10.9.1.0/30", local
			if strings.Contains(harm, "postrouting") {
				of, chain = "masquerade", "postrouting"
			}
			harm = fmt.Sprintf(harm, handle(chain, of))
		}
		for len(told) > 0 {
			<-told
		}
		labtest.Run(t, l.A, "nft", harm)
		tells(func() {})
		labtest.Must(t, l.A.Do(func() error {
			same, err := k.Same(rules)
			if same {
				t.Errorf("not seen: %s", harm)
			}
			return err
		}))
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

// Ten thousand services are as well kept as one, each with local addresses of its own if
// that is wanted, and a change costs what it changes.
func TestFullNATRulesOfMany(t *testing.T) {
	l := suite.New(t, "")
	k := snat.New()
	keep := func(rules []director.SNATRule, want bool) time.Duration {
		t.Helper()
		var took time.Duration
		labtest.Must(t, l.A.Do(func() error {
			began := time.Now()
			changed, err := k.Keep(rules)
			took = time.Since(began)
			if changed != want {
				t.Errorf("changed %t, want %t", changed, want)
			}
			return err
		}))
		return took.Round(time.Millisecond / 10)
	}
	for _, c := range []struct {
		services int
		own      bool // local addresses of its own for each
	}{{150, false}, {400, true}, {1000, false}, {10000, false}, {1000, true}} {
		rules := make([]director.SNATRule, c.services)
		for i := range rules {
			a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
			rules[i].Service = ipvs.AddressKey(ipvs.TCP, netip.AddrPortFrom(a, 80))
			if c.own {
				rules[i].Pool = []netip.Prefix{netip.PrefixFrom(a, 32)}
			}
		}
		first := keep(rules, true)
		again := keep(rules, false)
		rules[c.services/2].Pool = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")}
		one := keep(rules, true)
		keep(rules, false)
		less := keep(rules[:10], true)
		t.Logf("%d services, local addresses for each %t: written in %v, compared in %v, one changed in %v, all but ten removed in %v",
			c.services, c.own, first, again, one, less)
		shown := labtest.Run(t, l.A, "nft", "list", "table", "inet", snat.Table)
		if n := strings.Count(shown, " . tcp . 80 : "); n != 10 {
			t.Errorf("%d services are left, want 10", n)
		}
		labtest.Must(t, l.A.Do(k.Remove))
	}
}
