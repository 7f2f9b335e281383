package keepalived

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// pool is one virtual server while it is put together.
type pool struct {
	service
	d       *directive
	forward string
	weights int
	servers []*directive
	checks  [][]*item           // of each server
	hoist   bool                // all servers have the same checks
	written map[*directive]*out // the servers that are written, by their inhibit_on_failure
}

func (t *translator) virtualServer(d *directive, o *out, s service) {
	p := &pool{service: s, d: d, forward: "nat", written: map[*directive]*out{}}
	protocol := "udp"
	if c := find(d, "protocol"); c != nil {
		protocol = strings.ToLower(c.arg(0))
	} else if s.address != "" {
		t.warn(d, "no protocol is given: keepalived takes UDP")
	}
	name := s.name
	for n := 1; t.names[name]; n++ {
		name = s.name + "/" + protocol
		if n > 1 {
			name = fmt.Sprintf("%s/%s-%d", s.name, protocol, n)
		}
	}
	t.names[name] = true
	b := o.open("virtual_server", d, name)
	if s.address != "" {
		b.text("address", s.address, d)
		if protocol != "tcp" {
			b.text("protocol", protocol, t.orElse(find(d, "protocol"), d))
		}
	} else {
		b.number("fwmark", s.mark, d)
		b.text("family", map[bool]string{true: "ipv6", false: "ipv4"}[s.six], d)
	}
	for _, c := range d.body {
		if c.name() == "real_server" {
			p.servers = append(p.servers, c)
			p.checks = append(p.checks, t.checks(d, c))
			p.weights += t.weightOf(d, c)
		}
	}
	p.hoist = len(p.servers) > 1 && len(p.checks[0]) > 0 && !slices.ContainsFunc(p.checks, func(c []*item) bool { return !same(c, p.checks[0]) })
	first := true
	t.each(d, b, func(c *directive) {
		if c.name() == "real_server" && first {
			first = false
			if p.hoist {
				for _, server := range p.servers[1:] { // comments of checks that are written once
					for _, k := range server.body {
						if isCheck(k.name()) {
							b.note(notes(k)...)
						}
					}
				}
				b.items = append(b.items, p.checks[0]...)
			}
		}
		t.serverPart(c, b, p)
	})
	if s.port == "0" && find(d, "persistence_timeout") == nil && s.address != "" {
		t.warn(d, "port 0 needs persistence; keepalived sets 360 s, and so does the import")
		b.text("persistence", "360s", d)
	}
	t.quiesce(p, b)
}

// same says whether two servers have checks that come to the same.
func same(a, b []*item) bool {
	if len(a) != len(b) {
		return false
	}
	for n := range a {
		if !reflect.DeepEqual(a[n].labels, b[n].labels) || !sameBody(a[n].body, b[n].body) {
			return false
		}
	}
	return true
}

func sameBody(a, b *out) bool {
	arguments := func(o *out) map[string]cty.Value {
		m := map[string]cty.Value{}
		for _, i := range o.items {
			if i.key != "" {
				m[i.key] = i.value
			}
		}
		return m
	}
	x, y := arguments(a), arguments(b)
	if len(x) != len(y) {
		return false
	}
	for key, v := range x {
		if w, ok := y[key]; !ok || !v.RawEquals(w) {
			return false
		}
	}
	return true
}

// weightOf is a server's weight, its own, the virtual server's, or 1.
func (t *translator) weightOf(d, server *directive) int {
	for _, c := range []*directive{find(server, "weight"), find(d, "weight")} {
		if c == nil {
			continue
		}
		if n, err := strconv.Atoi(c.arg(0)); err == nil {
			return n
		}
	}
	return 1
}

// quiesce translates inhibit_on_failure of the servers: that of all of them is the
// virtual server's, that of some their own.
func (t *translator) quiesce(p *pool, b *out) {
	all := find(p.d, "inhibit_on_failure")
	standard := all != nil && t.truth(all)
	word := map[bool]string{true: "remove", false: "quiesce"}[standard] // of those that say otherwise
	var said []*directive
	for _, s := range p.servers {
		if c := find(s, "inhibit_on_failure"); c != nil && t.truth(c) != standard {
			said = append(said, c)
		}
	}
	if len(said) > 0 && len(said) == len(p.servers) {
		b.text("on_failure", word, said[0])
		return
	}
	for _, c := range said {
		if server := p.written[c]; server != nil {
			server.text("on_failure", word, c)
		}
	}
}
