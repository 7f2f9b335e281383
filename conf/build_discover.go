package conf

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"usher/director"
	"usher/director/discover"
	"usher/healthcheck"
)

// Template is what every discovered server of a pool has.
type Template struct {
	Server director.RealServer // without address, weight and what the address decides
	Target healthcheck.Target  // of some server, see Own; no Checks for none
	Own    []OwnParts          // of each check
	// Alike says that the kernel takes servers of the service's address family alone.
	Alike bool `json:",omitempty"`
}

// OwnParts say what of a check's addresses is the server's own, and to be filled in.
type OwnParts struct {
	Address, Port bool
	// Bind says that the source address is any of the server's family.
	Bind bool `json:",omitempty"`
}

// discover makes the sources of a pool and what their servers have.
func (s *serverBuilder) discover(out *VirtualServer) {
	all := s.n.all("discover")
	if len(all) == 0 {
		return
	}
	s.v.Discovered = true
	for _, n := range all {
		source := s.source(n)
		for _, err := range source.Validate() {
			s.blame(err, &places{node: n})
		}
		for i := range out.Discover {
			if out.Discover[i].Same(&source) {
				s.complain(n.own(), "Source given twice", "This discover %q lists what the one at %s lists.", n.label(), place(all[i].header))
			}
		}
		name := source.Name
		for i := 2; slices.ContainsFunc(out.Discover, func(o discover.Source) bool { return o.Name == source.Name }); i++ {
			source.Name = fmt.Sprintf("%s #%d", name, i)
		}
		out.Discover = append(out.Discover, source)
	}
	out.Template = s.template(all[0])
}

// template makes what discovered servers have, and complains of checks that none of them
// can have.
func (s *serverBuilder) template(first *node) *Template {
	t := &Template{Server: director.RealServer{
		Forward: s.v.Forward, Checked: len(s.checks) > 0, Trusted: len(s.checks) > 0 && s.n.text("initial") == "up",
		Upper: uint32(s.n.number("upper_threshold")), Lower: uint32(s.n.number("lower_threshold")),
		Tunnel: s.tunnel(s.n, director.Tun),
	}}
	if len(s.checks) == 0 {
		return t
	}
	// Any server shows what a check is, and what is wrong with it.
	some := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 1)
	if len(s.v.Keys) > 0 && s.v.Keys[0].Is6() {
		some = netip.AddrPortFrom(netip.MustParseAddr("2001:db8::1"), 1)
	}
	t.Target = s.target(some, s.checks)
	t.Target.ID.RealServer = netip.AddrPort{}
	t.Target.Checks = slices.Clone(t.Target.Checks)
	for i, n := range s.checks {
		c := &t.Target.Checks[i]
		t.Own = append(t.Own, OwnParts{Address: !n.given("address"), Port: !portless[c.Type] && !n.given("port"), Bind: n.given("bind_port") && !n.given("bind_address")})
		if c.Via != nil {
			c.Via = &healthcheck.Via{Service: c.Via.Service}
		}
	}
	return t
}

// target is the target of a discovered server.
func (t *Template) target(server netip.AddrPort, mark uint32) healthcheck.Target {
	out := t.Target
	out.ID.RealServer = server
	out.Checks = slices.Clone(t.Target.Checks)
	for i := range out.Checks {
		c, own := &out.Checks[i], t.Own[i]
		addr, port := c.Address.Addr(), c.Address.Port()
		if own.Address {
			addr = server.Addr()
		}
		if own.Port {
			port = server.Port()
		}
		c.Address = netip.AddrPortFrom(addr, port)
		if own.Bind {
			any := netip.IPv4Unspecified()
			if addr.Is6() {
				any = netip.IPv6Unspecified()
			}
			c.Bind = netip.AddrPortFrom(any, c.Bind.Port())
		}
		if c.Via != nil {
			c.Via = &healthcheck.Via{Service: c.Via.Service, Mark: mark}
		}
	}
	return out
}

// via says whether probes go through the service.
func (t *Template) via() bool {
	return slices.ContainsFunc(t.Target.Checks, func(c healthcheck.Check) bool { return c.Via != nil })
}

// source makes one source.
func (s *serverBuilder) source(n *node) discover.Source {
	out := discover.Source{
		Kind: discover.Kind(n.label()), Port: uint16(n.number("port")), Weight: s.n.number("weight"), Forward: director.Forward(n.text("forward_method")),
		Interval: n.duration("interval"), MinInterval: n.duration("min_interval"), Timeout: n.duration("timeout"),
		AllowEmpty: n.flag("allow_empty"), MaxServers: n.number("max_servers"), MaxLeave: n.fraction("max_leave"),
	}
	if n.given("weight") {
		out.Weight = n.number("weight")
	}
	switch out.Kind {
	case discover.KindDNS:
		out.DNS = s.dnsSource(n, out.Forward)
		out.Name = strings.TrimSpace("dns " + strings.TrimSuffix(n.text("name"), ".") + " " + n.text("type"))
	case discover.KindFile:
		out.File = &discover.File{}
		for _, p := range n.texts("paths") {
			out.File.Paths = append(out.File.Paths, absolute(n.dir, p))
		}
		out.Name = "file " + strings.Join(n.texts("paths"), " ")
	case discover.KindHTTP:
		out.HTTP = &discover.HTTP{
			URL: n.text("url"), CAFile: n.path("ca_file"), CertFile: n.path("cert_file"), KeyFile: n.path("key_file"), TokenFile: n.path("token_file"),
			ServerName: n.text("server_name"), Insecure: n.flag("insecure"),
		}
		out.Name = "http " + bareURL(n.text("url"))
	}
	out.Name = healthcheck.Printable(out.Name)
	return out
}

// bareURL is a URL without what may be secret in it.
func bareURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "URL"
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}

func (s *serverBuilder) dnsSource(n *node, forward director.Forward) *discover.DNS {
	out := &discover.DNS{Name: n.text("name"), Type: n.text("type")}
	if forward == "" {
		forward = s.v.Forward
	}
	six := len(s.v.Keys) > 0 && s.v.Keys[0].Is6()
	if out.IPv6 = six; out.Type != "SRV" {
		out.IPv6 = out.Type == "AAAA"
	}
	switch {
	case out.Type == "SRV" && n.given("port"):
		s.complain(n.at("port"), "Key without effect", "SRV records give each server its port.")
	case len(s.v.Keys) > 0 && out.IPv6 != six && forward != director.Tun:
		family, other := "IPv4", "A"
		if six {
			family, other = "IPv6", "AAAA"
		}
		s.complain(n.at("type"), "Records of another address family", "The service is %s, and only tun reaches servers of another family: use type = %q.", family, other)
	}
	for i, text := range n.texts("servers") {
		server, err := nameServer(text)
		if err != nil {
			s.complain(n.values["servers"].item(i), "Not a DNS server", "%q: %s.", text, err)
			continue
		}
		out.Servers = append(out.Servers, server)
	}
	return out
}

// nameServer reads the address of a DNS server, of port 53 where none is given.
func nameServer(text string) (netip.AddrPort, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(addr, 53), nil
	}
	server, err := netip.ParseAddrPort(text)
	if err != nil || server.Port() == 0 {
		return server, errors.New("it must be an address, with a port or without, such as 192.0.2.53 or [2001:db8::53]:5353")
	}
	return server, nil
}
