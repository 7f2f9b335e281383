package keepalived

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
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
	if !excluded && s.mixed && p.Addr().Is6() != s.six {
		family := map[bool]string{false: "IPv4", true: "IPv6"}
		t.warn(a, fmt.Sprintf("left out, as by keepalived: the first address of the instance is %s, and one instance has one family (virtual_ipaddress_excluded takes both)", family[s.six]))
		return
	}
	if b.hasAddress(p.String()) {
		t.warn(a, "left out, as it is there already; keepalived counts it again in its advertisements and discards those with another count: take it out there before usher runs beside it")
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
			attributes[word] = word
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
	if attributes["dev"] == "" {
		delete(attributes, "no_track") // the instance's own interface is always tracked
	}
	if attributes["scope"] == "global" {
		delete(attributes, "scope")
	}
	if !excluded && advertised(b) >= carried(s.six) {
		excluded = true
		if !t.full[s.d] {
			t.full[s.d] = true
			t.warn(a, fmt.Sprintf("an advertisement carries %d addresses: from here on they are excluded from it, as keepalived does", carried(s.six)))
		}
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
	if attributes["no_track"] != "" {
		v.flag("track", false, a)
	}
	if excluded {
		v.flag("excluded", true, a)
	}
}

// hasAddress says whether an instance has a virtual address already, with any length of
// its prefix.
func (o *out) hasAddress(want string) bool {
	same := func(s string) bool {
		have, _, _ := strings.Cut(s, "/")
		address, _, _ := strings.Cut(want, "/")
		return have == address
	}
	return slices.ContainsFunc(o.list("virtual_addresses"), same) ||
		slices.ContainsFunc(o.items, func(i *item) bool { return i.block == "virtual_address" && same(i.labels[0]) })
}

// carried is how many addresses keepalived puts into an advertisement: what the count
// can say, and what fits into 1500 bytes.
func carried(six bool) int {
	if six {
		return 89
	}
	return 255
}

// advertised is how many addresses of an instance are in its advertisements so far.
func advertised(b *out) int {
	n := 0
	for _, i := range b.items {
		switch {
		case i.key == "virtual_addresses":
			n += i.value.LengthInt()
		case i.block == "virtual_address" && i.body.find("excluded") == nil:
			n++
		}
	}
	return n
}

// defaultInterface is where keepalived puts what names no interface.
func (t *translator) defaultInterface() string {
	if d := t.defaults.values["default_interface"]; d != nil && d.arg(0) != "" {
		return d.arg(0)
	}
	return "eth0"
}
