package chaos

import "fmt"

// set changes a kernel setting by hand.
func (s *scene) set(key, value string) {
	have, err := settings(s.d.Node, []string{key})
	if _, known := s.d.touched[key]; !known && err == nil && have[key] != "" {
		s.d.touched[key] = have[key]
	}
	s.w.note("  %s: sysctl %s=%s: %v", s.d.Name, key, value, s.d.Sysctl(key, value))
}

func settingActions() []Action {
	v4 := func(name, key string, values ...string) Action {
		return Action{Name: name, Do: func(s *scene) { s.set("net/ipv4/conf/"+s.d.now(s.link())+"/"+key, pick(s.r, values...)) }}
	}
	return []Action{
		v4("arp-ignore", "arp_ignore", "0", "1", "2", "8"),
		v4("arp-announce", "arp_announce", "0", "1", "2"),
		v4("arp-filter", "arp_filter", "1"),
		v4("rp-filter", "rp_filter", "1", "2"),
		v4("accept-local", "accept_local", "0", "1"),
		v4("promote-secondaries", "promote_secondaries", "1"),
		v4("interface-forwarding", "forwarding", "0"),
		{Name: "ip-forward-off", Do: func(s *scene) { s.set("net/ipv4/ip_forward", "0") }},
		{Name: "nonlocal-bind", Do: func(s *scene) { s.set("net/ipv4/ip_nonlocal_bind", "1") }},
		{Name: "ipv6-off", Do: func(s *scene) { s.set("net/ipv6/conf/"+s.d.now(s.link())+"/disable_ipv6", "1") }},
		{Name: "ipv6-off-and-on", Do: func(s *scene) {
			l := s.d.now(s.link())
			s.set("net/ipv6/conf/"+l+"/disable_ipv6", "1")
			s.set("net/ipv6/conf/"+l+"/disable_ipv6", "0")
		}},
		{Name: "ipv6-forwarding-off", Do: func(s *scene) { s.set("net/ipv6/conf/all/forwarding", "0") }},
		{Name: "proxy-ndp-off", Do: func(s *scene) { s.set("net/ipv6/conf/"+s.d.now(s.link())+"/proxy_ndp", "0") }},
		{Name: "macvlan-settings", Fits: withMAC, Do: func(s *scene) {
			dev := s.device()
			s.set("net/ipv4/conf/"+dev+"/"+pick(s.r, "arp_ignore", "rp_filter", "accept_local"), pick(s.r, "0", "1"))
		}},
		{Name: "macvlan-base-settings", Fits: withMAC, Do: func(s *scene) {
			in := s.instance()
			s.toward(in)
			s.set("net/ipv4/conf/"+s.d.now(in.Interface)+"/"+pick(s.r, "arp_ignore", "arp_announce"), "0")
		}},
	}
}

func notAccepting(s Setup) bool { return some(s, func(in Instance) bool { return !in.Accept }) }

// own is the nft table of an instance that does not accept.
func (in Instance) nft() string { return "usher_vrrp_" + in.Name }

func filterActions() []Action {
	nft := func(name string, fits func(Setup) bool, do func(*scene)) Action {
		return Action{Name: name, Fits: fits, Do: do}
	}
	return []Action{
		nft("nft-flushed", nil, func(s *scene) { s.sh("nft flush ruleset") }),
		nft("nft-flushed-twice", nil, func(s *scene) {
			s.sh("nft flush ruleset")
			s.sh("nft flush ruleset")
		}),
		nft("nft-table-deleted", notAccepting, func(s *scene) { s.sh("nft delete table inet " + s.instance().nft()) }),
		nft("nft-table-emptied", notAccepting, func(s *scene) { s.sh("nft flush table inet " + s.instance().nft()) }),
		nft("nft-set-emptied", notAccepting, func(s *scene) { s.sh("nft flush set inet " + s.instance().nft() + " addresses4") }),
		nft("nft-rule-added", notAccepting, func(s *scene) {
			s.sh("nft insert rule inet " + s.instance().nft() + " input counter accept")
		}),
		nft("nft-foreign-table", nil, func(s *scene) {
			s.sh(fmt.Sprintf("nft add table inet site%x", s.r.IntN(16)))
			s.sh(fmt.Sprintf("nft add chain inet site%x c { type filter hook input priority 0 ; }", s.r.IntN(16)))
		}),
		nft("nft-foreign-name", nil, func(s *scene) { // as usher's might be called
			s.sh("nft add table ip usherette")
			s.w.later(func() { s.sh("nft delete table ip usherette") })
		}),
		nft("vrrp-not-heard", nil, func(s *scene) { s.barVRRP("input") }),
		nft("vrrp-not-sent", nil, func(s *scene) { s.barVRRP("output") }),
		nft("arp-not-answered", nil, func(s *scene) {
			s.sh("nft add table arp quiet")
			s.sh("nft add chain arp quiet c { type filter hook input priority 0 ; policy drop ; }")
			s.gone("arp quiet")
		}),
	}
}

// barVRRP has the director's own firewall drop advertisements.
func (s *scene) barVRRP(hook string) {
	s.sh("nft add table inet bar" + hook)
	s.sh("nft add chain inet bar" + hook + " c { type filter hook " + hook + " priority 0 ; }")
	s.sh("nft add rule inet bar" + hook + " c meta l4proto 112 drop")
	s.gone("inet bar" + hook)
}

// gone has a table go when the world is healed.
func (s *scene) gone(table string) {
	d := s.d
	s.w.later(func() { s.on(d.Node, "nft delete table "+table) })
}

func networkActions() []Action {
	return []Action{
		{Name: "cut-one-way", Do: func(s *scene) {
			l := s.link()
			s.drop(s.d.port(l), s.peer().port(l), 100)
		}},
		{Name: "cut-both-ways", Do: func(s *scene) {
			l, p := s.link(), s.peer()
			s.drop(s.d.port(l), p.port(l), 100)
			s.drop(p.port(l), s.d.port(l), 100)
		}},
		{Name: "cut-from-client", Do: func(s *scene) {
			l := s.link()
			s.drop("client-"+l, s.d.port(l), 100)
		}},
		{Name: "lossy", Do: func(s *scene) {
			l := s.link()
			s.drop(s.d.port(l), s.peer().port(l), 20+s.r.IntN(60))
		}},
		{Name: "cut-then-mended", Do: func(s *scene) {
			l, p := s.link(), s.peer()
			s.drop(s.d.port(l), p.port(l), 100)
			s.drop(p.port(l), s.d.port(l), 100)
			wait(s.ctx, pick(s.r, waits...))
			s.mend()
		}},
		{Name: "switch-restarts", Do: func(s *scene) {
			b := bridge(s.link())
			s.on(s.w.LAN, "ip link set "+b+" down")
			wait(s.ctx, pick(s.r, waits...))
			s.on(s.w.LAN, "ip link set "+b+" up")
		}},
		{Name: "switch-down", Do: func(s *scene) { s.on(s.w.LAN, "ip link set "+bridge(s.link())+" down") }},
		{Name: "ports-isolated", Do: func(s *scene) {
			l := s.link()
			for _, d := range s.w.directors {
				s.on(s.w.LAN, "bridge link set dev "+d.port(l)+" isolated on")
			}
		}},
	}
}

// peer draws another director.
func (s *scene) peer() *Director {
	for {
		if d := pick(s.r, s.w.directors...); d != s.d {
			return d
		}
	}
}

// drop has the switch lose so many percent of what goes from a port to another.
func (s *scene) drop(from, to string, percent int) {
	s.on(s.w.LAN, "nft add table bridge cut")
	s.on(s.w.LAN, "nft add chain bridge cut c { type filter hook forward priority 0 ; }")
	part := ""
	if percent < 100 {
		part = fmt.Sprintf("numgen random mod 100 < %d ", percent)
	}
	s.on(s.w.LAN, fmt.Sprintf("nft add rule bridge cut c iifname %s oifname %s %sdrop", from, to, part))
}

func (s *scene) mend() { s.on(s.w.LAN, "nft delete table bridge cut") }
