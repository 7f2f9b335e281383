package conf

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"usher/director"
	"usher/director/ipvs"
	"usher/healthcheck"
)

// poolAlias names the keys of the fields of a pool that are called otherwise.
var poolAlias = map[string]string{"need": "checks_needed", "snat": "snat_addresses", "real": "real_server", "sorry": "sorry_server", "forward": "forward_method"}

// virtualServer makes a pool and the targets of its checks.
func (b *builder) virtualServer(n *node) VirtualServer {
	v := director.VirtualServer{
		Name: n.label(), Forward: director.Forward(n.text("forward_method")),
		Quorum: n.number("quorum"), Hysteresis: n.number("hysteresis"), OnFailure: director.OnFailure(n.text("on_failure")),
		DrainTimeout: n.duration("drain_timeout"), SlowStart: n.duration("slow_start"), MinHealthy: n.fraction("min_healthy"),
		SNAT: n.prefixes("snat_addresses"),
	}
	v.Keys, v.Address = b.keys(n)
	v.Service = b.service(n, v.Keys)
	p := &places{node: n, alias: poolAlias}
	b.places[n.label()] = p
	if len(v.Keys) == 0 {
		p.spoil("address", "port", "protocol", "persistence_netmask")
	}

	out := VirtualServer{}
	real, sorry := n.all("real_server"), n.all("sorry_server")
	s := &serverBuilder{builder: b, n: n, v: &v, places: p, checks: b.checksOf(n, nil), made: map[*node]*madeCheck{}}
	s.spots = make([]spot, 0, len(real)+len(sorry))
	if len(real)+len(sorry) > few {
		s.seen = make(map[netip.AddrPort]*node, len(real)+len(sorry))
	}
	v.Real = slices.Grow(v.Real, len(real))
	if len(s.checks) > 0 {
		out.Targets = slices.Grow(out.Targets, len(real))
		s.room = make([]healthcheck.Check, 0, len(real)*len(s.checks))
	}
	for _, r := range real {
		s.server(r, "real_server", &v.Real, s.checks, &out.Targets)
	}
	good := len(s.spots)
	for _, r := range sorry {
		s.server(r, "sorry_server", &v.Sorry, nil, &out.Targets)
	}
	p.lists = map[string][]spot{"real_server": s.spots[:good], "sorry_server": s.spots[good:]}
	s.discover(&out)
	if len(real)+len(out.Discover) == 0 {
		b.complain(n.header, "Virtual server without real servers", "%q has no real_server, and no discover that would find one.", n.label())
	}
	out.VirtualServer = v // validated with all others, by sets
	out.Alerts = b.alerts(n, serverWords)
	return out
}

// keys are the services that a virtual server stands for.
func (b *builder) keys(n *node) ([]ipvs.ServiceKey, string) {
	b.either(n, "address", "fwmark")
	if n.given("fwmark") {
		if n.given("protocol") {
			b.complain(n.at("protocol"), "Key out of place", "A fwmark service has no protocol: it takes every packet with the mark.")
		}
		if !n.given("family") {
			b.complain(n.at("fwmark"), "Missing family", "A fwmark service needs family = \"ipv4\" or \"ipv6\".")
		}
		if n.values["fwmark"].bad {
			return nil, ""
		}
		mark := uint32(n.number("fwmark"))
		key := ipvs.MarkKey(mark, n.text("family") == "ipv6")
		return []ipvs.ServiceKey{key}, key.String()
	}
	if n.given("family") {
		b.complain(n.at("family"), "Key out of place", "family belongs to fwmark services; an address has its own.")
	}
	if !n.given("address") {
		b.complain(n.header, "Missing address", "A virtual_server needs address, or fwmark and family.")
		return nil, ""
	}
	if n.values["address"].bad {
		return nil, ""
	}
	e, err := parseEndpoints(n.text("address"))
	if err != nil {
		b.complain(n.at("address"), "Not a service address", "address = %q: %s.", n.text("address"), err)
		return nil, ""
	}
	protocol := map[string]ipvs.Protocol{"": ipvs.TCP, "tcp": ipvs.TCP, "udp": ipvs.UDP, "sctp": ipvs.SCTP}[n.text("protocol")]
	var all []ipvs.ServiceKey
	for _, addr := range e.addrs {
		for _, port := range e.ports {
			all = append(all, ipvs.AddressKey(protocol, netip.AddrPortFrom(addr, port)))
		}
	}
	return all, n.text("address")
}

// service are the settings that can be edited in place.
func (b *builder) service(n *node, keys []ipvs.ServiceKey) ipvs.Service {
	s := ipvs.Service{Scheduler: n.text("scheduler"), Engine: n.text("persistence_engine"), Netmask: 32}
	if len(keys) > 0 {
		s.Netmask = keys[0].Bits()
	}
	for i, word := range n.texts("scheduler_flags") {
		if want, _, ok := strings.Cut(word, "-"); ok && want != "flag" && want != s.Scheduler {
			b.complain(n.values["scheduler_flags"].item(i), "Flag of another scheduler", "%s is a flag of the scheduler %s, but this service has %s.", word, want, s.Scheduler)
		}
		s.Flags |= map[string]ipvs.Flags{
			"sh-fallback": ipvs.Sched1, "mh-fallback": ipvs.Sched1, "flag-1": ipvs.Sched1,
			"sh-port": ipvs.Sched2, "mh-port": ipvs.Sched2, "flag-2": ipvs.Sched2, "flag-3": ipvs.Sched3,
		}[word]
	}
	if n.flag("one_packet") {
		s.Flags |= ipvs.OnePacket
	}
	if t := n.duration("persistence"); t > 0 {
		s.Flags |= ipvs.Persistent
		s.Persistence = uint32(t / time.Second)
	}
	for _, name := range []string{"persistence_netmask", "persistence_engine"} {
		if n.given(name) && n.duration("persistence") == 0 && !n.bad("persistence") {
			b.complain(n.at(name), "Key without effect", "%s needs persistence.", name)
		}
	}
	if text := n.text("persistence_netmask"); text != "" && len(keys) > 0 {
		bits, err := parseNetmask(text, int(keys[0].Bits()))
		if err != nil {
			b.complain(n.at("persistence_netmask"), "Not a netmask", "persistence_netmask: %s.", err)
		} else {
			s.Netmask = bits
		}
	}
	return s
}

// bad says whether a key is given with a value that was complained of.
func (n *node) bad(name string) bool { return n.given(name) && n.values[name].bad }

// serverBuilder makes the servers of one pool.
type serverBuilder struct {
	*builder
	n        *node
	v        *director.VirtualServer
	places   *places
	spots    []spot                   // of the servers that are good, real ones and then sorry ones
	seen     map[netip.AddrPort]*node // of these, where they are many
	checks   []*node                  // of the virtual server, which its real servers inherit
	made     map[*node]*madeCheck     // by its block
	defaults []fallback               // of the keys that were asked for so far
	base     *healthcheck.Target      // what the targets of all servers have in common; nil before the first
	room     []healthcheck.Check      // for the checks that all servers inherit, made at once
	sound    []*node                  // checks of which only the address may be wrong at another server
}

// fallback is the number that servers of a kind have for a key that they do not give.
type fallback struct {
	spec  *block
	name  string
	value int
}

// madeCheck is a check but for the server that it is of.
type madeCheck struct {
	healthcheck.Check
	direct bool // the server's own address and port are all that is to be filled in
}

// server makes one real or sorry server and the target of its checks, if it has any.
func (s *serverBuilder) server(r *node, kind string, list *[]director.RealServer, inherited []*node, targets *[]healthcheck.Target) {
	addr, ported, err := parseServer(r.label())
	if err != nil {
		s.complain(r.own(), "Not a server address", "%s %q: %s.", kind, r.label(), err)
		s.places.spoil("quorum", "hysteresis")
		return
	}
	if !ported && len(s.v.Keys) == 1 && s.v.Keys[0].Mark == 0 {
		addr = netip.AddrPortFrom(addr.Addr(), s.v.Keys[0].Port)
	}
	if earlier := s.earlier(addr); earlier != nil {
		s.complain(r.own(), "Server given twice", "The server %s is in %q at %s already.", addr, s.n.label(), place(earlier.header))
		s.places.spoil("quorum", "hysteresis")
		return
	}
	if s.seen != nil {
		s.seen[addr] = r
	}
	server := director.RealServer{
		Address: addr, Weight: s.inherit(r, "weight"), Forward: s.v.Forward,
		Upper: uint32(s.inherit(r, "upper_threshold")), Lower: uint32(s.inherit(r, "lower_threshold")),
	}
	if r.given("forward_method") && !r.bad("forward_method") {
		server.Forward = director.Forward(r.text("forward_method"))
	}
	if r.given("on_failure") && !r.bad("on_failure") {
		server.OnFailure = director.OnFailure(r.text("on_failure"))
	}
	server.Tunnel = s.tunnel(r, server.Forward)
	checks := s.builder.checksOf(r, inherited)
	server.Checked = len(checks) > 0
	server.Trusted = server.Checked && s.n.text("initial") == "up"
	if server.Checked {
		t := s.target(addr, checks)
		for _, c := range t.Checks {
			if c.Via != nil {
				server.ProbeMark = c.Via.Mark
			}
		}
		*targets = append(*targets, t)
	}
	*list = append(*list, server)
	s.spots = append(s.spots, spot{node: r, at: r.own()})
}

// earlier is the server of the same address that there was before, if any.
func (s *serverBuilder) earlier(addr netip.AddrPort) *node {
	if s.seen != nil {
		return s.seen[addr]
	}
	at := 0
	for _, list := range [...][]director.RealServer{s.v.Real, s.v.Sorry} {
		for i := range list {
			if list[i].Address == addr {
				return s.spots[at].node
			}
			at++
		}
	}
	return nil
}

// inherit is a number of the server, or of the virtual server where it gives none.
func (s *serverBuilder) inherit(r *node, name string) int {
	if r.given(name) {
		return r.number(name)
	}
	for _, d := range s.defaults {
		if d.spec == r.spec && d.name == name {
			return d.value
		}
	}
	d := fallback{spec: r.spec, name: name}
	switch {
	case !r.spec.has(name):
	case !s.n.spec.has(name) || r.spec.key(name).value != nil:
		d.value = r.number(name)
	default:
		d.value = s.n.number(name)
	}
	s.defaults = append(s.defaults, d)
	return d.value
}

// tunnel is the encapsulation of a server, its own or the virtual server's.
func (s *serverBuilder) tunnel(r *node, forward director.Forward) ipvs.Tunnel {
	t := r.one("tunnel")
	if t == nil {
		t = s.n.one("tunnel")
	} else if forward != director.Tun {
		s.complain(t.header, "Block without effect", "tunnel needs forward_method = \"tun\", but it is %s here.", forward)
	}
	if t == nil || forward != director.Tun {
		return ipvs.Tunnel{}
	}
	out := ipvs.Tunnel{Port: uint16(t.number("port"))}
	switch t.text("type") {
	case "gue":
		out.Type = ipvs.GUE
		if !t.given("port") {
			s.complain(t.header, "Missing port", "A tunnel of type gue needs port.")
		}
	case "gre":
		out.Type = ipvs.GRE
	}
	if t.given("port") && out.Type != ipvs.GUE {
		s.complain(t.at("port"), "Key without effect", "Only tunnels of type gue have a port.")
	}
	switch t.text("checksum") {
	case "csum":
		out.Flags = ipvs.TunnelCsum
	case "remcsum":
		out.Flags = ipvs.TunnelRemCsum
	}
	if out.Flags != 0 && (out.Type == ipvs.IPIP || out.Type == ipvs.GRE && out.Flags == ipvs.TunnelRemCsum) {
		s.complain(t.at("checksum"), "Key without effect", "A tunnel of type %s has no checksum %q.", t.text("type"), t.text("checksum"))
	}
	return out
}

// target is a server with all its checks.
func (s *serverBuilder) target(addr netip.AddrPort, checks []*node) healthcheck.Target {
	if s.base == nil {
		s.base = &healthcheck.Target{
			ID:   healthcheck.ID{VirtualServer: s.n.label()},
			Need: s.n.number("checks_needed"), FlapThreshold: s.n.number("flap_threshold"), FlapWindow: s.n.duration("flap_window"), FlapHold: s.n.duration("flap_hold"),
		}
		if s.n.text("initial") == "up" {
			s.base.Initial = healthcheck.Up
		}
	}
	t := *s.base
	t.ID.RealServer = addr
	t.Checks = s.take(len(checks))
	direct := true
	for i, c := range checks {
		s.check(&t.Checks[i], c, addr)
		direct = direct && s.made[c].direct
	}
	var all []error
	if direct && slices.Equal(checks, s.sound) {
		all = t.ValidateAddresses()
	} else if all = t.Validate(); direct && len(all) == 0 {
		s.sound = checks
	}
	if len(all) == 0 {
		return t
	}
	// What a check says of itself is blamed on its own block; the rest of Validate
	// is about the target.
	own := 0
	for i := range t.Checks {
		found := t.Checks[i].Validate()
		own += len(found)
		for _, err := range found {
			s.blame(err, &places{node: checks[i], alias: checkAlias})
		}
	}
	for _, err := range all[:len(all)-own] {
		s.blame(err, s.places)
	}
	return t
}

// take is room for n checks.
func (s *serverBuilder) take(n int) []healthcheck.Check {
	if len(s.room)+n > cap(s.room) {
		return make([]healthcheck.Check, n)
	}
	from := len(s.room)
	s.room = s.room[:from+n]
	return s.room[from : from+n : from+n]
}
