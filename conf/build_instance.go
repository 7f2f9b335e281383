package conf

import (
	"net/netip"

	"usher/vrrp"
)

// instance makes a virtual router of its block.
func (b *builder) instance(n *node) (Instance, *places) {
	p := &places{node: n, lists: map[string][]spot{}, alias: map[string]string{
		"addresses": "virtual_addresses", "password": "authentication.password", "announce": "garp", "vrid": "virtual_router_id", "interval": "advert_interval",
		"routes": "virtual_route", "rules": "virtual_rule",
	}}
	c := vrrp.Config{
		Name: n.label(), Interface: n.text("interface"), VRF: n.text("vrf"), VRID: uint8(n.number("virtual_router_id")),
		Priority: uint8(n.number("priority")), Version: uint8(n.number("version")),
		Interval: n.duration("advert_interval"), DownAdverts: n.number("down_timer_adverts"),
		Lease: n.duration("lease"), Preempt: n.flag("preempt"), PreemptDelay: n.duration("preempt_delay"), StartupDelay: n.duration("startup_delay"),
		InterfaceUpDelay: n.duration("interface_up_delay"), InterfaceDownDelay: n.duration("interface_down_delay"),
		DontTrackPrimary: n.flag("dont_track_primary"),
		Accept:           n.flag("accept"), VirtualMAC: n.flag("virtual_mac"),
		Group4: n.ip("multicast_group4"), Group6: n.ip("multicast_group6"), Source4: n.ip("source4"), Source6: n.ip("source6"),
	}
	if !n.given("lease") {
		c.Lease = c.FitLease()
	}
	if n.text("bind") == "local_route" {
		c.Bind = vrrp.BindLocalRoute
	}
	switch n.text("checksum") {
	case "rfc9568":
		c.Checksum = vrrp.ChecksumRFC9568
	case "pseudo_header":
		c.Checksum = vrrp.ChecksumPseudoHeader
	}
	c.Addresses, c.NoAddresses = b.addresses(n, p), n.flag("no_virtual_addresses")
	c.Routes, c.Rules = b.routes(n), rules(n)
	c.Unicast = b.unicast(n, &c, p)
	c.Password, c.HMAC = b.authentication(n, c.Interval, p)
	c.Announce = announceGARP(n)
	if w := n.one("witness"); w != nil {
		c.Witness = &vrrp.Witness{Ping: w.ips("ping"), Interval: w.duration("interval"), Timeout: w.duration("timeout")}
	}
	c.Track = b.tracks(n, p)
	for _, err := range c.Validate() {
		b.blame(err, p)
	}
	return Instance{Config: c, Alerts: b.alerts(n, instanceWords)}, p
}

func (b *builder) addresses(n *node, p *places) []vrrp.Address {
	var all []vrrp.Address
	if v := n.values["virtual_addresses"]; v != nil {
		for i, prefix := range n.prefixes("virtual_addresses") {
			all = append(all, vrrp.Address{Prefix: prefix})
			p.lists["virtual_addresses"] = append(p.lists["virtual_addresses"], spot{at: v.item(i)})
		}
	}
	for _, a := range n.all("virtual_address") {
		prefix, err := parsePrefix(a.label())
		if err != nil {
			b.complain(a.own(), "Not an IP address", "The label of virtual_address must be an address with or without prefix length, such as 192.0.2.1/24, not %q.", a.label())
			p.spoil("virtual_addresses")
			continue
		}
		scope := a.text("scope")
		if scope == "global" {
			scope = ""
		}
		all = append(all, vrrp.Address{Prefix: prefix, Interface: a.text("interface"), Label: a.text("label"), Scope: scope, Excluded: a.flag("excluded"), Untracked: !a.flag("track")})
		p.lists["virtual_addresses"] = append(p.lists["virtual_addresses"], spot{node: a, at: a.own()})
	}
	return all
}

func (b *builder) routes(n *node) []vrrp.Route {
	var all []vrrp.Route
	for _, r := range n.all("virtual_route") {
		var to netip.Prefix
		switch r.label() {
		case "default":
			to = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		case "default6":
			to = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		default:
			var err error
			if to, err = parsePrefix(r.label()); err != nil {
				b.complain(r.own(), "Not a prefix", "The label of virtual_route must be a prefix such as 198.51.100.0/24, default or default6, not %q.", r.label())
				continue
			}
		}
		kind := r.text("type")
		if kind == "unicast" {
			kind = ""
		}
		all = append(all, vrrp.Route{
			To: to, Via: r.ip("via"), Source: r.ip("source"), Interface: r.text("interface"), Table: r.number("table"),
			Metric: r.number("metric"), MTU: r.number("mtu"), Scope: r.text("scope"), Type: kind, Untracked: !r.flag("track"),
		})
	}
	return all
}

func rules(n *node) []vrrp.Rule {
	var all []vrrp.Rule
	for _, r := range n.all("virtual_rule") {
		all = append(all, vrrp.Rule{
			From: r.prefix("from"), To: r.prefix("to"), Mark: uint32(r.number("mark")), Mask: uint32(r.number("mask")),
			Interface: r.text("interface"), Table: r.number("table"), Priority: r.number("priority"), Untracked: !r.flag("track"),
		})
	}
	return all
}

// unicast reads the peers; its source is that of the instance's family.
func (b *builder) unicast(n *node, c *vrrp.Config, p *places) *vrrp.Unicast {
	u := n.one("unicast")
	if u == nil {
		return nil
	}
	out := &vrrp.Unicast{TTL: uint8(u.number("ttl"))}
	if v := u.values["peers"]; v != nil {
		for i, peer := range u.ips("peers") {
			out.Peers = append(out.Peers, vrrp.Peer{Address: peer})
			p.lists["unicast.peers"] = append(p.lists["unicast.peers"], spot{at: v.item(i)})
		}
	}
	for _, q := range u.all("peer") {
		addr, err := netip.ParseAddr(q.label())
		if err != nil {
			b.complain(q.own(), "Not an IP address", "The label of peer must be an IP address, not %q.", q.label())
			p.spoil("unicast")
			continue
		}
		out.Peers = append(out.Peers, vrrp.Peer{Address: addr, MinTTL: uint8(q.number("min_ttl")), MaxTTL: uint8(q.number("max_ttl"))})
		p.lists["unicast.peers"] = append(p.lists["unicast.peers"], spot{node: q, at: q.own()})
	}
	if u.given("source") {
		source, name, field := u.ip("source"), "source4", &c.Source4
		if source.Is6() {
			name, field = "source6", &c.Source6
		}
		if n.given(name) {
			b.complain(n.at(name), "One key too many", "Give %s or source in unicast, not both.", name)
		}
		*field = source
		p.alias[name] = "unicast.source"
	}
	return out
}

func announceGARP(n *node) vrrp.Announce {
	g := n.one("garp")
	if g == nil {
		g = &node{spec: n.spec.child("garp")}
	}
	return vrrp.Announce{Repeat: g.number("repeat"), Delay: g.duration("delay"), Refresh: g.duration("refresh"), Pace: g.duration("pace")}
}

// tracks reads what raises and lowers the priority.
func (b *builder) tracks(n *node, p *places) []vrrp.Track {
	var all []vrrp.Track
	add := func(name string, kind vrrp.TrackKind, fill func(*node, *vrrp.Track)) {
		for _, t := range n.all(name) {
			track := vrrp.Track{Kind: kind, Name: t.label(), Weight: t.number("weight"), Reverse: t.flag("reverse")}
			fill(t, &track)
			all = append(all, track)
			p.lists["track"] = append(p.lists["track"], spot{node: t, at: t.own()})
		}
	}
	add("track_interface", vrrp.TrackInterface, func(t *node, out *vrrp.Track) {
		out.UpDelay, out.DownDelay = t.duration("up_delay"), t.duration("down_delay")
	})
	add("track_script", vrrp.TrackScript, func(t *node, out *vrrp.Track) {
		b.command(t)
		out.Command, out.User, out.Initial = t.texts("command"), t.text("user"), t.text("initial")
		out.Interval, out.Timeout = t.duration("interval"), t.duration("timeout")
		if !t.given("timeout") {
			out.Timeout = out.Interval
		}
		out.Rise, out.Fall = t.number("rise"), t.number("fall")
	})
	add("track_file", vrrp.TrackFile, func(t *node, out *vrrp.Track) { out.Name = absolute(t.dir, t.label()) })
	add("track_process", vrrp.TrackProcess, func(t *node, out *vrrp.Track) {
		out.Quorum, out.UpDelay, out.DownDelay = t.number("quorum"), t.duration("up_delay"), t.duration("down_delay")
	})
	add("track_virtual_server", vrrp.TrackVirtualServer, func(t *node, _ *vrrp.Track) {
		b.reference("virtual_server", t.label(), b.servers, t.own())
	})
	add("track_bfd", vrrp.TrackBFD, func(t *node, _ *vrrp.Track) {
		b.reference("bfd", t.label(), b.sessions, t.own())
	})
	return all
}

func (b *builder) group(n *node) Group {
	v := n.values["instances"]
	names := n.texts("instances")
	if v != nil && !v.bad {
		if len(names) == 0 {
			b.complain(v.at, "Empty group", "A sync group needs instances.")
		}
		for i, name := range names {
			b.reference("vrrp_instance", name, b.instances, v.item(i))
		}
	}
	return Group{Group: vrrp.Group{Name: n.label(), Instances: names}, Alerts: b.alerts(n, groupWords)}
}
