package keepalived

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// withoutIt ends the reason why a whole route or rule is left out: with a part of it
// alone, packets would go elsewhere.
const withoutIt = " is not carried over; it would mean something else without, so all of it is left out"

// tuning are the words of a route that change how packets travel, not where, with how
// many words follow them.
func tuning() map[string]int {
	t := map[string]int{"add": 0, "append": 0, "prepend": 0, "inet": 0, "inet6": 0}
	for _, word := range strings.Fields("proto protocol hoplimit advmss rtt rttvar reordering window cwnd ssthresh realms rto_min initcwnd initrwnd quickack congctl features pref preference fastopen_no_cookie") {
		t[word] = 1
	}
	return t
}

// route translates one line of virtual_routes.
func (t *translator) route(d *directive, b *out) {
	args := slices.Clone(d.words)
	kind := ""
	if slices.Contains([]string{"unicast", "blackhole", "unreachable", "prohibit"}, args[0]) {
		kind, args = args[0], args[1:]
	}
	if len(args) > 2 && args[0] == "src" { // an old form: the source first
		args = append(slices.Clone(args[2:]), args[0], args[1])
	}
	if len(args) > 1 && args[0] == "to" {
		args = args[1:]
	}
	if len(args) == 0 {
		t.warn(d, "no destination is given")
		return
	}
	to := args[0]
	args = args[1:]
	if to == "default" && slices.ContainsFunc(args, func(s string) bool { return strings.Contains(s, ":") }) {
		to = "default6"
	}
	if _, err := prefix(to); err != nil && to != "default" && to != "default6" {
		t.warn(d, strconv.Quote(to)+" is not a destination that usher knows")
		return
	}
	if slices.Contains(args, "nexthop") || slices.Contains(args, "or") {
		t.warn(d, "a route with several next hops is not carried over")
		return
	}
	if p, err := prefix(to); err == nil && otherFamily(args, p.Addr().Is6()) || to == "default" && slices.Contains(args, "inet6") {
		t.warn(d, "a gateway of the other family (RFC 5549) is not carried over, nor is the route")
		return
	}
	made, untracked := &out{}, false
	r := made.open("virtual_route", d, to)
	if kind != "" && kind != "unicast" {
		r.text("type", kind, d)
	}
	texts := map[string]string{"via": "via", "gw": "via", "src": "source", "dev": "interface", "oif": "interface", "scope": "scope"}
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		if word == "no_track" {
			untracked = true
			continue
		}
		if word == "via" && len(args) > 1 && (args[0] == "inet" || args[0] == "inet6") {
			args = args[1:]
		}
		if n, ok := tuning()[word]; ok || word == "mtu" {
			if word == "mtu" {
				n = 1
			}
			if n == 1 && len(args) > 0 && args[0] == "lock" {
				n = 2
			}
			n = min(n, len(args))
			if word == "mtu" && n == 1 {
				if v, ok := t.integer(d, args[0]); ok {
					r.number("mtu", v, d)
				}
			} else if word != "inet" && word != "inet6" {
				t.warn(d, strings.Join(append([]string{word}, args[:n]...), " ")+" of a route is not carried over")
			}
			args = args[n:]
			continue
		}
		value := ""
		if len(args) > 0 {
			value, args = args[0], args[1:]
		}
		number, err := strconv.Atoi(value)
		switch {
		case texts[word] != "":
			if _, err := netip.ParseAddr(value); err != nil && (texts[word] == "via" || texts[word] == "source") {
				t.warn(d, strconv.Quote(value)+" is not an address, so the route is left out")
				return
			}
			r.text(texts[word], value, d)
		case word == "table":
			if number, err = table(value); err != nil {
				t.warn(d, err.Error()+", so the route is left out")
				return
			}
			r.number("table", number, d)
		case (word == "metric" || word == "priority") && err == nil:
			r.number("metric", number, d)
		default:
			t.warn(d, word+" of a route"+withoutIt)
			return
		}
	}
	if untracked && r.find("interface") != nil {
		r.flag("track", false, d)
	}
	b.items = append(b.items, made.items...)
}

// table is the number of a routing table. Names other than the kernel's own are
// this machine's, in /etc/iproute2/rt_tables.
func table(text string) (int, error) {
	if n, ok := map[string]int{"default": 253, "main": 254, "local": 255}[text]; ok {
		return n, nil
	}
	if n, err := strconv.ParseUint(text, 0, 31); err == nil {
		return int(n), nil
	}
	return 0, fmt.Errorf("usher takes a table by its number, not by a name such as %q", text)
}

// otherFamily says whether a route's gateway is of another family than the route.
func otherFamily(args []string, six bool) bool {
	for i, word := range args {
		if i == 0 || args[i-1] != "via" && args[i-1] != "gw" && args[i-1] != "inet" && args[i-1] != "inet6" {
			continue
		}
		if a, err := netip.ParseAddr(word); err == nil && a.Is6() != six {
			return true
		}
	}
	return false
}

// rule translates one line of virtual_rules.
func (t *translator) rule(d *directive, b *out) {
	made, untracked := &out{}, false
	r := made.open("virtual_rule", d)
	args := slices.Clone(d.words)
	for len(args) > 0 {
		word := args[0]
		six := word == "inet6" && slices.ContainsFunc(d.words, func(s string) bool { return strings.Contains(s, ":") })
		untracked = untracked || word == "no_track"
		if word == "no_track" || word == "inet" || six { // the addresses say the family
			args = args[1:]
			continue
		}
		value := ""
		if len(args) > 1 {
			value = args[1]
		}
		args = args[min(2, len(args)):]
		switch word {
		case "from", "to":
			if value == "all" || value == "any" {
				continue
			}
			if _, err := prefix(value); err != nil {
				t.warn(d, strconv.Quote(value)+" is not a network, so the rule is left out")
				return
			}
			r.text(word, value, d)
		case "iif", "dev":
			r.text("interface", value, d)
		case "table", "lookup":
			n, err := table(value)
			if err != nil {
				t.warn(d, err.Error()+", so the rule is left out")
				return
			}
			r.number("table", n, d)
		case "priority", "preference", "pref", "order":
			if n, ok := t.integer(d, value); ok {
				r.number("priority", n, d)
			}
		case "protocol", "proto":
			t.warn(d, word+" "+value+" of a rule is not carried over")
		case "fwmark":
			mark, mask, masked := strings.Cut(value, "/")
			for _, f := range []struct{ key, text string }{{"mark", mark}, {"mask", mask}} {
				if f.key == "mask" && !masked {
					continue
				}
				n, err := strconv.ParseUint(f.text, 0, 32)
				if err != nil {
					t.warn(d, strconv.Quote(f.text)+" is not a mark, so the rule is left out")
					return
				}
				r.number(f.key, int(n), d)
			}
		default:
			t.warn(d, word+" of a rule"+withoutIt)
			return
		}
	}
	if r.find("table") == nil {
		t.warn(d, "usher's rules look up a table; this one names none, so it is left out")
		return
	}
	if untracked && r.find("interface") != nil {
		r.flag("track", false, d)
	}
	b.items = append(b.items, made.items...)
}
