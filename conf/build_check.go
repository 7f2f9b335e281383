package conf

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"usher/healthcheck"
)

// checkAlias names the keys of fields whose paths a Check's own package gives.
var checkAlias = map[string]string{"paths": "paths"}

// exclusive are keys of a check of which one alone may be given; one in a
// real_server replaces another that is inherited.
var exclusive = [][]string{
	{"path", "paths"}, {"payload", "payload_hex"}, {"expect", "expect_hex", "expect_regex"},
	{"auth_file", "auth_env"}, {"password_file", "password_env"},
}

// checksOf are the checks of a block over those that it inherits: one of the same
// type and name overrides the keys that it gives, another is added.
func (b *builder) checksOf(n *node, inherited []*node) []*node {
	if len(n.all("health_check")) == 0 {
		return inherited
	}
	all := slices.Clone(inherited)
	seen := map[[2]string]*node{}
	for _, c := range n.all("health_check") {
		for _, keys := range exclusive {
			for i, one := range keys {
				for _, other := range keys[:i] {
					if c.spec.has(one) && c.spec.has(other) {
						b.either(c, other, one)
					}
				}
			}
		}
		id := [2]string{c.label(), c.text("name")}
		if earlier := seen[id]; earlier != nil {
			b.complain(c.own(), "Check given twice", "There is a health_check %q at %s already; tell them apart by name.", c.label(), place(earlier.header))
			continue
		}
		seen[id] = c
		merged := false
		for i, base := range all {
			if base.label() == c.label() && base.text("name") == c.text("name") {
				all[i] = override(base, c)
				merged = true
			}
		}
		if !merged {
			all = append(all, c)
		}
	}
	return all
}

// override is a check with the keys of another, more particular one over its own.
func override(base, over *node) *node {
	n := *over
	n.values = maps.Clone(base.values)
	for _, keys := range exclusive {
		for _, given := range keys {
			if over.given(given) {
				for _, other := range keys {
					delete(n.values, other)
				}
			}
		}
	}
	maps.Copy(n.values, over.values)
	return &n
}

// portless are the types of check that know no port.
var portless = map[healthcheck.Type]bool{healthcheck.TypePing: true, healthcheck.TypeFile: true, healthcheck.TypeBFD: true, healthcheck.TypePassive: true}

// check makes c one check of one server.
func (s *serverBuilder) check(c *healthcheck.Check, n *node, server netip.AddrPort) {
	made := s.made[n]
	if made == nil {
		made = &madeCheck{Check: s.builder.settings(n)}
		made.direct = !portless[made.Type] && made.Type != healthcheck.TypeAgent &&
			!slices.ContainsFunc([]string{"address", "port", "bind_address", "bind_port", "via"}, n.given)
		s.made[n] = made
	}
	*c = made.Check
	if made.direct {
		c.Address = server
		return
	}
	addr, port := server.Addr(), server.Port()
	if n.given("address") && !n.bad("address") {
		addr = n.ip("address")
	}
	if n.given("port") {
		port = uint16(n.number("port"))
	}
	switch {
	case portless[c.Type]:
		if n.given("port") {
			s.complain(n.at("port"), "Key without effect", "A check of type %s has no port.", c.Type)
		}
		port = 0
	case c.Type == healthcheck.TypeAgent && !n.given("port"):
		s.complain(n.own(), "Missing port", "A check of type agent needs the port that the agent listens on.")
		n.values["port"] = &value{bad: true, at: n.own()} // told once is enough
	}
	c.Address = netip.AddrPortFrom(addr, port)
	if n.given("bind_address") || n.given("bind_port") {
		bind := n.ip("bind_address")
		if !bind.IsValid() {
			bind = netip.IPv4Unspecified()
			if addr.Is6() {
				bind = netip.IPv6Unspecified()
			}
		}
		c.Bind = netip.AddrPortFrom(bind, uint16(n.number("bind_port")))
	}
	s.via(n, server, c)
}

// via sends a check through the service itself.
func (s *serverBuilder) via(n *node, server netip.AddrPort, c *healthcheck.Check) {
	if n.text("via") != "service" {
		return
	}
	for _, name := range []string{"address", "port", "mark"} {
		if n.given(name) {
			s.complain(n.at(name), "Key out of place", "via = \"service\" sends the probe to the VIP: %s cannot be given.", name)
		}
	}
	if len(s.v.Keys) == 0 {
		return
	}
	key := s.v.Keys[0]
	if key.Mark != 0 || key.Port == 0 {
		s.complain(n.at("via"), "Service without an address", "via = \"service\" needs a service with an address and a port to send to.")
		return
	}
	c.Via = &healthcheck.Via{Service: netip.AddrPortFrom(key.Address, key.Port), Mark: preferredMark(s.n.label(), server)}
}

// settings is a check but for the server that it is made of: the same for all
// servers that inherit it.
func (b *builder) settings(n *node) healthcheck.Check {
	c := healthcheck.Check{
		Type: healthcheck.Type(n.label()), Name: n.text("name"), Interface: n.text("interface"), Mark: uint32(n.number("mark")),
		Interval: n.duration("interval"), FastInterval: n.duration("fast_interval"), Timeout: n.duration("timeout"),
		Rise: n.number("rise"), Fall: n.number("fall"), Jitter: n.duration("jitter"), Slow: n.duration("slow"), SlowWeight: n.number("slow_weight"),
	}
	b.typed(n, &c)
	b.needed(n)
	return c
}

// typed fills in what belongs to the type of a check.
func (b *builder) typed(n *node, c *healthcheck.Check) {
	switch c.Type {
	case healthcheck.TypeTCP:
		c.TCP = b.tcp(n)
		if c.TCP.TLS {
			c.TLS = tlsOf(n)
		}
	case healthcheck.TypeHTTP, healthcheck.TypeHTTPS:
		c.HTTP = b.http(n)
		if c.Type == healthcheck.TypeHTTPS {
			c.TLS = tlsOf(n)
		}
	case healthcheck.TypeTLS:
		c.TLS = tlsOf(n)
	case healthcheck.TypeUDP:
		c.UDP = b.udp(n)
	case healthcheck.TypeDNS:
		c.DNS = &healthcheck.DNS{Question: n.text("question"), Type: n.text("type"), TCP: n.flag("tcp"), RCode: n.text("rcode"), Expect: n.texts("expect_answers")}
	case healthcheck.TypeSMTP:
		c.SMTP = &healthcheck.SMTP{HELO: n.text("helo"), StartTLS: n.flag("starttls")}
		if c.SMTP.StartTLS {
			c.TLS = tlsOf(n)
		}
	case healthcheck.TypePing:
		b.useless(n, []string{"bind_port"})
	case healthcheck.TypeGRPC:
		c.GRPC = &healthcheck.GRPC{Service: n.text("service"), Authority: n.text("authority"), UseTLS: n.flag("tls")}
		if c.GRPC.UseTLS {
			c.TLS = tlsOf(n)
		}
	case healthcheck.TypeMySQL, healthcheck.TypePostgres, healthcheck.TypeRedis:
		c.Database = &healthcheck.Database{User: n.text("user"), Database: n.text("database"), Password: credential(n, "password", "")}
	case healthcheck.TypeExec:
		b.command(n)
		b.useless(n, []string{"bind_address", "bind_port", "interface", "mark"})
		c.Exec = &healthcheck.Exec{Command: n.texts("command"), User: n.text("user"), Weight: n.text("dynamic_weight"), WarningDown: n.text("warning") == "down"}
		for _, name := range sortedKeys(n.pairs("environment")) {
			c.Exec.Env = append(c.Exec.Env, name+"="+n.pairs("environment")[name])
		}
	case healthcheck.TypeAgent:
		c.Agent = &healthcheck.Agent{Send: n.text("send")}
	case healthcheck.TypeFile:
		c.File = &healthcheck.File{Path: n.path("path"), Mode: n.text("mode")}
		b.useless(n, []string{"address", "bind_address", "bind_port", "interface", "mark"})
	case healthcheck.TypeBFD:
		c.BFD = bfdOf(n)
		b.useless(n, append(probeTimes, "bind_address", "bind_port"))
	case healthcheck.TypePassive:
		c.Passive = &healthcheck.Passive{Threshold: n.number("threshold")}
		b.useless(n, append(probeTimes, "address", "bind_address", "bind_port", "interface", "mark"))
	}
}

// probeTimes are the keys that say when probes run and how their results count.
var probeTimes = []string{"interval", "fast_interval", "timeout", "rise", "fall", "jitter", "slow", "slow_weight"}

// useless complains of keys that a check has no use for, because it sends nothing of
// its own, or not at intervals.
func (b *builder) useless(n *node, keys []string) {
	for _, name := range keys {
		if !n.given(name) {
			continue
		}
		hint := ""
		if name == "bind_address" && n.spec.has("source") {
			hint = " It sends from source."
		}
		b.complain(n.at(name), "Key without effect", "A check of type %s has no use for %s.%s", n.label(), name, hint)
	}
}

// session is a bfd block, judged as the health check of the same name is.
func (b *builder) session(n *node) BFD {
	s := BFD{Name: n.label(), Address: n.ip("address"), Interface: n.text("interface"), Mark: uint32(n.number("mark")), BFD: *bfdOf(n)}
	c := healthcheck.Check{Type: healthcheck.TypeBFD, Address: netip.AddrPortFrom(s.Address, 0), Interface: s.Interface, Mark: s.Mark, BFD: &s.BFD}
	for _, err := range c.Validate() {
		b.blame(err, &places{node: n})
	}
	return s
}

func bfdOf(n *node) *healthcheck.BFD {
	return &healthcheck.BFD{Source: n.ip("source"), MinTX: n.duration("min_tx"), MinRX: n.duration("min_rx"), Multiplier: n.number("multiplier"), Passive: n.flag("passive")}
}

// credential is where a secret is read from when the probe runs.
func credential(n *node, name, scheme string) *healthcheck.Credential {
	if !n.given(name+"_file") && !n.given(name+"_env") {
		return nil
	}
	return &healthcheck.Credential{Scheme: scheme, File: n.path(name + "_file"), Variable: n.text(name + "_env")}
}

func tlsOf(n *node) *healthcheck.TLS {
	return &healthcheck.TLS{
		Insecure: n.flag("insecure"), CAFile: n.path("ca_file"), ServerName: n.text("server_name"), CertFile: n.path("cert_file"), KeyFile: n.path("key_file"),
		MinVersion: n.text("min_version"), ALPN: n.texts("alpn"), ExpiryWarning: n.duration("expiry_warning"),
	}
}

func (b *builder) tcp(n *node) *healthcheck.TCP {
	t := &healthcheck.TCP{Send: n.text("send"), Expect: n.text("expect"), Proxy: n.number("proxy_protocol"), TLS: n.flag("tls")}
	if n.given("expect_regex") {
		t.Expect, t.ExpectRegex = n.text("expect_regex"), true
	}
	talks := t.Send != "" || t.Expect != "" || t.Proxy != 0 || t.TLS
	t.FullConnect = talks
	if n.given("half_open") {
		if n.flag("half_open") && talks {
			b.complain(n.at("half_open"), "Half open cannot talk", "half_open ends the connection before anything can be sent, expected or encrypted.")
		}
		t.FullConnect = !n.flag("half_open")
	}
	if !t.TLS {
		b.needsTLS(n)
	}
	return t
}

// needsTLS complains of keys of TLS where it is not spoken.
func (b *builder) needsTLS(n *node) {
	if len(n.values) == 0 {
		return
	}
	for _, k := range tlsAlone {
		if n.given(k.name) {
			b.complain(n.at(k.name), "Key without effect", "%s needs tls = true.", k.name)
		}
	}
}

func (b *builder) udp(n *node) *healthcheck.UDP {
	u := &healthcheck.UDP{RequireReply: n.flag("require_reply"), MinReply: n.number("min_reply"), MaxReply: n.number("max_reply")}
	u.Payload = []byte(n.text("payload"))
	if text := n.text("payload_hex"); text != "" {
		payload, mask, err := parseHex(text)
		if err != nil || strings.ContainsAny(text, "xX") {
			b.complain(n.at("payload_hex"), "Not hexadecimal", "payload_hex must be pairs of hexadecimal digits, not %q.", text)
		} else if len(mask) > 0 {
			u.Payload = payload
		}
	}
	if text := n.text("expect"); text != "" {
		u.Expect, u.Mask = []byte(text), allOnes(len(text))
	}
	if text := n.text("expect_hex"); text != "" {
		var err error
		if u.Expect, u.Mask, err = parseHex(text); err != nil {
			b.complain(n.at("expect_hex"), "Not hexadecimal", "expect_hex must be pairs of hexadecimal digits, x for any digit, not %q.", text)
		}
	}
	if u.MinReply > u.MaxReply {
		b.complain(n.at("min_reply"), "Bounds crossed", "min_reply is more than max_reply.")
	}
	return u
}
