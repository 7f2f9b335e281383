package snat

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

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

// A service more or less changes nothing for the others, and what is the same shares a mark.
func TestBuild(t *testing.T) {
	key := func(s string) ipvs.ServiceKey { return ipvs.AddressKey(ipvs.TCP, netip.MustParseAddrPort(s)) }
	local := []netip.Prefix{netip.MustParsePrefix("10.9.0.1/32"), netip.MustParsePrefix("10.9.1.0/24")}
	all := []director.SNATRule{
		{Service: key("192.0.2.1:80")},
		{Service: key("192.0.2.1:443")},
		{Service: key("192.0.2.2:80"), Pool: local},
		{Service: key("192.0.2.3:0"), Pool: local[:1]},
		{Service: key("[2001:db8::1]:80")},
		{Service: key("[2001:db8::1]:81"), Except: []netip.AddrPort{netip.MustParseAddrPort("[2001:db8::9]:81"), netip.MustParseAddrPort("[2001:db8::9]:0")}},
		{Service: ipvs.MarkKey(7, false), Pool: local[:1]},
	}
	r := build(all)
	count := map[string]int{}
	for name, s := range r.sets {
		count[name] = len(s.elements)
	}
	want := map[string]int{"services4": 3, "addresses4": 1, "services6": 2, "excepted6": 1, "excepthosts6": 1,
		"masquerade4": 1, "masquerade6": 2, "pools4": 3}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Errorf("elements (-want +got):\n%s", diff)
	}
	services := r.sets["services4"].elements
	if services[element(192, 0, 2, 1, 6, 0, 0, 0, 0, 80, 0, 0)] != services[element(192, 0, 2, 1, 6, 0, 0, 0, 1, 187, 0, 0)] {
		t.Errorf("the services of one pool have other marks: %q", services)
	}
	mark := services[element(192, 0, 2, 2, 6, 0, 0, 0, 0, 80, 0, 0)]
	if got := r.sets["pools4"].elements[mark]; got != "snat_10.9.0.1_32_10.9.1.0_24" || len(r.rules[got]) != 2 {
		t.Errorf("the chain of two parts is %q, of %d rules", got, len(r.rules[got]))
	}
	for without := range all {
		less := build(slices.Delete(slices.Clone(all), without, without+1))
		for name, s := range less.sets {
			for k, v := range s.elements {
				if is, there := r.sets[name].elements[k]; !there || is != v {
					t.Errorf("without service %d the element %q of %s is %q, before %q", without, k, name, v, is)
				}
			}
		}
	}
}

func element(b ...byte) string { return string(b) }

// Pools whose marks would be the same get others, whoever comes first.
func TestMarksAreApart(t *testing.T) {
	var rules []director.SNATRule
	for i := range 20000 {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		rules = append(rules, director.SNATRule{
			Service: ipvs.AddressKey(ipvs.TCP, netip.AddrPortFrom(a, 80)),
			Pool:    []netip.Prefix{netip.PrefixFrom(a, 32)},
		})
	}
	seen := map[uint32]bool{}
	for _, p := range assign(rules) {
		if p.mark>>24 != 0x76 || p.mark == marks || seen[p.mark] {
			t.Fatalf("mark %#x", p.mark)
		}
		seen[p.mark] = true
	}
}

// What differs is all that is written, and in an order in which no mark is without its
// translation.
func TestCompare(t *testing.T) {
	key := func(s string) ipvs.ServiceKey { return ipvs.AddressKey(ipvs.TCP, netip.MustParseAddrPort(s)) }
	local := []netip.Prefix{netip.MustParsePrefix("10.9.0.1/32")}
	before := []director.SNATRule{{Service: key("192.0.2.1:80")}, {Service: key("192.0.2.2:80"), Pool: local}}
	after := []director.SNATRule{{Service: key("192.0.2.1:80"), Pool: local}, {Service: key("192.0.2.3:80"), Pool: local}}
	steps := func(from, to []director.SNATRule) string {
		have, want := build(from), build(to)
		f := found{there: true, sets: map[string]bool{}, chains: map[string]bool{}, elements: map[string]map[string]string{}, rules: map[string][][]part{}}
		for name, s := range have.sets {
			f.sets[name], f.elements[name] = true, s.elements
		}
		for chain, rules := range have.rules {
			f.chains[chain] = true
			for _, r := range rules {
				f.rules[chain] = append(f.rules[chain], parts(t, r))
			}
		}
		p := compare(f, want)
		out := fmt.Sprintf("remake %t, sets %v, made %v, chains %v:", p.remake, p.sets, slices.Sorted(maps.Keys(p.made)), p.chains)
		for _, c := range slices.Concat(p.grow, p.shrink) {
			out += fmt.Sprintf(" %s %t %t", c.set, c.old, c.new)
		}
		return out + fmt.Sprintf(", gone %v %v", p.gone, p.unused)
	}
	for _, c := range []struct {
		from, to []director.SNATRule
		want     string
	}{
		{before, before, "remake false, sets [], made [], chains []:, gone [] []"},
		{nil, nil, "remake false, sets [], made [], chains []:, gone [] []"},
		{before, after, "remake false, sets [], made [], chains [postrouting prerouting]: services4 true true services4 false true services4 true false, gone [masquerade4] []"},
		{after, before, "remake false, sets [masquerade4], made [], chains [postrouting]: masquerade4 false true services4 true true services4 false true services4 true false, gone [] []"},
		{before, before[:1], "remake false, sets [], made [], chains [postrouting prerouting]: services4 true false, gone [pools4] [snat_10.9.0.1_32]"},
		{before[:1], before, "remake false, sets [pools4], made [snat_10.9.0.1_32], chains [snat_10.9.0.1_32 postrouting]: pools4 false true services4 false true, gone [] []"},
		{after[1:], after, "remake false, sets [], made [], chains []: services4 false true, gone [] []"},
	} {
		if got := steps(c.from, c.to); got != c.want {
			t.Errorf("from %v to %v:\n%s\nwant:\n%s", c.from, c.to, got, c.want)
		}
	}
}

// parts gives a rule as a kernel shows it.
func parts(t *testing.T, r rule) (all []part) {
	t.Helper()
	for _, e := range r.exprs {
		data, err := expr.MarshalExprData(unix.NFPROTO_INET, e)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, part{name: nameOf(e), data: data})
	}
	return all
}
