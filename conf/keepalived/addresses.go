package keepalived

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// prefix reads an address with or without prefix length.
func prefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		return netip.ParsePrefix(s)
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// addresses translates virtual_ipaddress and virtual_ipaddress_excluded: plain
// ones into the list, those with attributes into blocks.
func (t *translator) addresses(c *directive, b *out, s instanceState) {
	excluded := c.name() == "virtual_ipaddress_excluded"
	entries := c.body
	if len(c.args()) > 0 { // on the line of the directive itself
		entries = append([]*directive{{words: c.args(), file: c.file, number: c.number}}, entries...)
	}
	for _, a := range entries {
		t.one(a, b, func(a *directive) { t.address(a, b, s, excluded) })
	}
	b.note(c.tail...)
}

func (t *translator) address(a *directive, b *out, s instanceState, excluded bool) {
	p, err := prefix(a.name())
	if err != nil {
		t.warn(a, "not an address")
		return
	}
	attributes := map[string]string{}
	args := a.args()
	for i := 0; i < len(args); i++ {
		word := args[i]
		switch word {
		case "dev", "scope", "label":
			if i++; i < len(args) {
				attributes[word] = args[i]
			}
		case "brd", "broadcast", "peer", "preferred_lft", "metric", "proto":
			i++
			t.warn(a, word+" of an address is not carried over: usher leaves it to the kernel")
		case "no_track":
			t.warn(a, "usher puts every address back that somebody removes")
		case "nodad", "-nodad":
			// usher always does so
		default:
			t.warn(a, word+" of an address is not carried over")
		}
	}
	if s.iface == "" && attributes["dev"] == "" {
		attributes["dev"] = t.defaultInterface()
		t.warn(a, "neither the instance nor the address names an interface; keepalived takes "+attributes["dev"]+", which is written")
	}
	if attributes["dev"] == s.iface {
		delete(attributes, "dev")
	}
	if attributes["scope"] == "global" {
		delete(attributes, "scope")
	}
	if len(attributes) == 0 && !excluded {
		b.add("virtual_addresses", p.String(), a)
		return
	}
	v := b.open("virtual_address", a, p.String())
	for _, k := range [][2]string{{"dev", "interface"}, {"label", "label"}, {"scope", "scope"}} {
		if value, ok := attributes[k[0]]; ok {
			v.text(k[1], value, a)
		}
	}
	if excluded {
		v.flag("excluded", true, a)
	}
}

// defaultInterface is where keepalived puts what names no interface.
func (t *translator) defaultInterface() string {
	if d := t.defaults.values["default_interface"]; d != nil && d.arg(0) != "" {
		return d.arg(0)
	}
	return "eth0"
}

// linkLocal puts a link-local address first where IPv6 ones are advertised, which
// RFC 9568 wants and keepalived only warns of.
func (t *translator) linkLocal(b *out, s instanceState) {
	if !s.six {
		return
	}
	i := b.find("virtual_addresses")
	if i == nil {
		return
	}
	values := i.value.AsValueSlice()
	local := slices.IndexFunc(values, func(v cty.Value) bool {
		p, err := prefix(v.AsString())
		return err == nil && p.Addr().IsLinkLocalUnicast() && p.Addr().Is6()
	})
	first := slices.IndexFunc(values, func(v cty.Value) bool { return strings.Contains(v.AsString(), ":") })
	switch {
	case first < 0 || local == first:
	case local > first:
		v := values[local]
		values = slices.Insert(slices.Delete(values, local, local+1), first, v)
		i.value = cty.TupleVal(values)
		t.warn(s.d, "the link-local address is put first, where RFC 9568 section 5.2.9 wants it")
	default:
		own := fmt.Sprintf("fe80::5e00:2:%x/64", s.vrid)
		i.value = cty.TupleVal(slices.Insert(values, first, cty.StringVal(own)))
		t.warn(s.d, "RFC 9568 section 5.2.9 wants a link-local address first; "+own+" is added")
	}
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
	r := b.open("virtual_route", d, to)
	if kind != "" && kind != "unicast" {
		r.text("type", kind, d)
	}
	texts := map[string]string{"via": "via", "gw": "via", "src": "source", "dev": "interface", "scope": "scope"}
	numbers := map[string]string{"table": "table", "metric": "metric", "mtu": "mtu"}
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		value := ""
		if len(args) > 0 {
			value = args[0]
		}
		switch {
		case word == "no_track":
			continue
		case word == "via" && (value == "inet" || value == "inet6") && len(args) > 1:
			r.text("via", args[1], d)
			args = args[1:]
		case texts[word] != "":
			r.text(texts[word], value, d)
		case numbers[word] != "":
			if n, ok := t.integer(d, value); ok {
				r.number(numbers[word], n, d)
			}
		default:
			t.warn(d, word+" of a route is not carried over")
			continue
		}
		args = args[min(1, len(args)):]
	}
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
	r := b.open("virtual_rule", d)
	args := slices.Clone(d.words)
	for len(args) > 1 {
		word, value := args[0], args[1]
		args = args[2:]
		switch word {
		case "from", "to":
			if value != "all" && value != "any" {
				r.text(word, value, d)
			}
		case "iif", "dev":
			r.text("interface", value, d)
		case "table", "lookup", "priority", "preference", "pref", "order":
			key := "priority"
			if word == "table" || word == "lookup" {
				key = "table"
				value = map[string]string{"main": "254", "default": "253", "local": "255"}[value] + strings.Trim(value, "abcdefghijklmnopqrstuvwxyz")
			}
			if n, ok := t.integer(d, value); ok {
				r.number(key, n, d)
			}
		case "fwmark":
			mark, mask, masked := strings.Cut(value, "/")
			for _, f := range []struct{ key, text string }{{"mark", mark}, {"mask", mask}} {
				if f.key == "mask" && !masked {
					continue
				}
				if n, err := strconv.ParseUint(f.text, 0, 32); err == nil {
					r.number(f.key, int(n), d)
				} else {
					t.warn(d, strconv.Quote(f.text)+" is not a mark")
				}
			}
		default:
			t.warn(d, word+" of a rule is not carried over")
		}
	}
	if len(args) == 1 && args[0] != "no_track" {
		t.warn(d, args[0]+" of a rule is not carried over")
	}
}
