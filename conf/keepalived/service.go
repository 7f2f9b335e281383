package keepalived

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// service is one address, range or mark that a virtual_server of usher stands for.
type service struct {
	address string // as usher writes it; "" for a mark
	mark    int
	six     bool
	port    string
	name    string
}

// virtualServers translates virtual_server: into one block, or into one for each
// entry of its virtual_server_group.
func (t *translator) virtualServers(d *directive, o *out) {
	services := t.services(d)
	for n, s := range services {
		if n > 0 {
			d = withoutComments(d)
		}
		t.virtualServer(d, o, s)
	}
	if len(services) == 0 {
		o.note(notes(d)...)
	}
}

// withoutComments is a directive that is written again.
func withoutComments(d *directive) *directive {
	c := *d
	c.lead, c.trail, c.tail, c.body = nil, "", nil, nil
	for _, b := range d.body {
		c.body = append(c.body, withoutComments(b))
	}
	return &c
}

// services are what the header of virtual_server names.
func (t *translator) services(d *directive) []service {
	switch d.arg(0) {
	case "":
		t.warn(d, "no address is given")
		return nil
	case "fwmark":
		s, ok := t.mark(d, d.arg(1), "")
		if !ok {
			return nil
		}
		return []service{s}
	case "group":
		g := t.groups[d.arg(1)]
		if g == nil {
			t.warn(d, "there is no virtual_server_group "+d.arg(1))
			return nil
		}
		t.used[g] = true
		var all []service
		for _, e := range g.body {
			if s, ok := t.entry(e); ok {
				if len(g.body) > 1 {
					s.name = fmt.Sprintf("%s-%d", g.arg(0), len(all)+1)
				} else {
					s.name = g.arg(0)
				}
				all = append(all, s)
			}
		}
		if len(all) > 1 {
			t.warn(d, fmt.Sprintf("the group becomes %d virtual servers, each with a quorum of its own", len(all)))
		}
		return all
	}
	s, ok := t.address4service(d, d.arg(0), d.arg(1))
	if !ok {
		return nil
	}
	return []service{s}
}

// entry is one line of a virtual_server_group.
func (t *translator) entry(e *directive) (service, bool) {
	if e.name() == "fwmark" {
		return t.mark(e, e.arg(0), e.arg(1))
	}
	return t.address4service(e, e.name(), e.arg(0))
}

func (t *translator) mark(d *directive, text, family string) (service, bool) {
	n, ok := t.integer(d, text)
	six := family == "inet6"
	if f := find(d, "ip_family"); f != nil {
		six = f.arg(0) == "inet6"
	} else if family == "" {
		for _, c := range d.body {
			if c.name() == "real_server" && strings.Contains(c.arg(0), ":") {
				six = true
			}
		}
	}
	return service{mark: n, six: six, name: "fwmark-" + text}, ok
}

// address4service reads IP[-range][/mask] [port].
func (t *translator) address4service(d *directive, text, port string) (service, bool) {
	if port == "" {
		port = "0"
	}
	host, mask, masked := strings.Cut(text, "/")
	from, to, ranged := strings.Cut(host, "-")
	a, err := netip.ParseAddr(from)
	if err != nil {
		t.warn(d, strconv.Quote(from)+" is not an address")
		return service{}, false
	}
	if masked && !ranged {
		p, err := netip.ParsePrefix(a.String() + "/" + mask)
		small := 24
		if a.Is6() {
			small = 112
		}
		if err != nil || p.Bits() < small {
			t.warn(d, "a range of more than the last octet or group is not carried over")
			return service{}, false
		}
		first, last := p.Masked().Addr(), p.Masked().Addr()
		for next := first; next.IsValid() && p.Contains(next); next = next.Next() {
			last = next
		}
		a, to, ranged = first, lastGroup(last), first != last
	}
	if b, err := netip.ParseAddr(to); ranged && err == nil { // from-to with whole addresses
		if shortened := lastGroup(b); netip.MustParsePrefix(a.String() + map[bool]string{true: "/112", false: "/24"}[a.Is6()]).Contains(b) {
			to = shortened
		} else {
			t.warn(d, "a range of more than the last octet or group is not carried over")
			return service{}, false
		}
	}
	host = a.String()
	if ranged {
		host += "-" + to
	}
	s := service{port: port, six: a.Is6(), address: host + ":" + port}
	if a.Is6() {
		s.address = "[" + host + "]:" + port
	}
	s.name = s.address
	return s, true
}

// lastGroup is the last octet or group of an address, as ranges write it.
func lastGroup(a netip.Addr) string {
	b := a.AsSlice()
	if a.Is4() {
		return strconv.Itoa(int(b[3]))
	}
	return strconv.FormatUint(uint64(b[14])<<8|uint64(b[15]), 16)
}
