package chaos

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// vip draws a VIP of the director's, with the interface that it is on there.
func (s *scene) vip() (in Instance, v VIP, dev string) {
	in = s.instance()
	s.toward(in)
	v = pick(s.r, in.VIPs...)
	return in, v, in.device(v)
}

func addressActions() []Action {
	return []Action{
		{Name: "vip-removed", Do: func(s *scene) {
			in, v, dev := s.vip()
			if in.LocalRoute {
				s.ip("route del local %s dev %s table local", v.Prefix.Addr(), dev)
				return
			}
			s.ip("address del %s dev %s", v.Prefix, dev)
		}},
		{Name: "vip-removed-again-and-again", Do: func(s *scene) {
			_, v, dev := s.vip()
			for range 3 + s.r.IntN(10) {
				s.ip("address del %s dev %s", v.Prefix, dev)
			}
		}},
		{Name: "vips-flushed", Do: func(s *scene) {
			_, v, dev := s.vip()
			s.ip("address flush dev %s to %s", dev, v.Prefix.Addr())
		}},
		{Name: "interface-flushed", Do: func(s *scene) {
			_, _, dev := s.vip()
			s.ip("address flush dev %s", dev)
		}},
		{Name: "vip-made-permanent", Do: func(s *scene) {
			_, v, dev := s.vip()
			s.byHand(v, dev, "address change %s dev %s valid_lft forever preferred_lft forever")
		}},
		{Name: "vip-short-lease", Do: func(s *scene) {
			_, v, dev := s.vip()
			s.byHand(v, dev, "address change %s dev %s valid_lft 1 preferred_lft 1")
		}},
		{Name: "vip-with-other-length", Do: func(s *scene) {
			_, v, dev := s.vip()
			s.ip("address add %s/%d dev %s", v.Prefix.Addr(), v.Prefix.Addr().BitLen()-3, dev)
			s.w.later(func() { s.ip("address del %s/%d dev %s", v.Prefix.Addr(), v.Prefix.Addr().BitLen()-3, s.d.now(dev)) })
		}},
		{Name: "vip-by-hand", Do: func(s *scene) { // on any director, mostly a backup
			in := s.instance()
			v := pick(s.r, in.VIPs...)
			s.byHand(v, in.on(v), "address add %s dev %s")
		}},
		{Name: "vip-by-hand-on-lo", Do: func(s *scene) {
			v := pick(s.r, s.instance().VIPs...)
			s.byHand(v, "lo", "address add %s dev %s")
		}},
		{Name: "vip-route-by-hand", Do: func(s *scene) {
			in := s.instance()
			v := pick(s.r, in.VIPs...)
			s.ip("route add local %s dev %s table local", v.Prefix.Addr(), in.on(v))
			d := s.d
			s.w.later(func() {
				s.d = d
				s.ip("route del local %s dev %s table local proto boot", v.Prefix.Addr(), d.now(in.on(v)))
			})
		}},
		{Name: "vip-on-client", Do: func(s *scene) {
			in := s.instance()
			v := pick(s.r, in.VIPs...)
			word := fmt.Sprintf("%s dev %s", v.Prefix, in.on(v))
			s.on(s.w.Client, "ip address add "+word)
			s.w.later(func() { s.on(s.w.Client, "ip address del "+word) })
		}},
		{Name: "foreign-address", Do: func(s *scene) {
			s.ip("address add 172.16.%d.%d/24 dev %s", s.r.IntN(256), 1+s.r.IntN(250), s.d.now(s.link()))
		}},
		{Name: "own-address-removed", Do: func(s *scene) {
			l := s.link()
			s.ip("address del %s dev %s", base(s.d.n, l)[0], s.d.now(l))
		}},
		{Name: "own-addresses-removed", Do: func(s *scene) {
			l := s.link()
			for _, a := range base(s.d.n, l) {
				s.ip("address del %s dev %s", a, s.d.now(l))
			}
		}},
		{Name: "second-own-address", Do: func(s *scene) {
			l := s.link()
			first := strings.Split(base(s.d.n, l)[0], "/")
			s.ip("address add %s%d/%s dev %s", first[0], 1+s.r.IntN(5), first[1], s.d.now(l))
		}},
		{Name: "link-local-removed", Do: func(s *scene) { s.ip("-6 address flush dev %s scope link", s.d.now(s.link())) }},
		{Name: "neighbours-flushed", Do: func(s *scene) { s.sh("ip neighbour flush all") }},
		{Name: "client-forgets", Do: func(s *scene) { s.on(s.w.Client, "ip neighbour flush all") }},
	}
}

// byHand puts a VIP somewhere by a command of ip. It is taken away when the world is
// healed, also where usher had it there, which may have let it go a moment before the
// command, or stays: then usher has to say so.
func (s *scene) byHand(v VIP, dev, command string) {
	k, err := look(s.d.Node)
	there := err == nil && slices.Contains(k.addrs, held{dev, v.Prefix.Addr()})
	s.ip(command, v.Prefix, dev)
	d := s.d
	if !there && s.stays() {
		d.put(v.Prefix.Addr(), dev)
		s.w.note("  and stays on %s", d.Name)
		return
	}
	s.w.later(func() {
		s.d = d
		s.ip("address del %s dev %s", v.Prefix, d.now(dev)) // it may have been renamed since
	})
}

// put notes a VIP that stays where somebody put it. An IPv4 address on lo keeps nobody from
// being active, as the real servers of dr have it there; usher has to tell of it.
func (d *Director) put(a netip.Addr, dev string) {
	if plain := !some(d.setup, func(in Instance) bool { return in.LocalRoute }); dev == "lo" && a.Is4() && plain {
		d.onLo[a] = true
		return
	}
	d.byHand[a] = true
}

// others are the VIPs that somebody put on the director and leaves.
func (d *Director) others() map[netip.Addr]bool {
	all := maps.Clone(d.byHand)
	maps.Copy(all, d.onLo)
	return all
}

func routingActions() []Action {
	routes := func(s Setup) bool { return some(s, func(in Instance) bool { return in.Route || in.Rule }) }
	return []Action{
		{Name: "route-removed", Fits: routes, Do: func(s *scene) {
			in := s.instance()
			s.toward(in)
			s.ip("route del blackhole %s table %d", routeTo, in.table())
		}},
		{Name: "route-table-flushed", Fits: routes, Do: func(s *scene) {
			in := s.instance()
			s.toward(in)
			s.ip("route flush table %d", in.table())
		}},
		{Name: "route-replaced", Fits: routes, Do: func(s *scene) {
			in := s.instance()
			s.toward(in)
			d := s.d
			s.ip("route replace unreachable %s table %d", routeTo, in.table())
			s.w.later(func() {
				s.d = d
				s.ip("route del unreachable %s table %d proto boot", routeTo, in.table())
			})
		}},
		{Name: "main-table-flushed", Do: func(s *scene) { s.ip("route flush table main") }},
		{Name: "foreign-route", Do: func(s *scene) {
			s.ip("route add 203.0.113.%d/32 dev %s", s.r.IntN(256), s.d.now(s.link()))
		}},
		{Name: "rule-removed", Fits: routes, Do: func(s *scene) {
			in := s.instance()
			s.toward(in)
			s.ip("rule del table %d", in.table())
		}},
		{Name: "rules-flushed", Do: func(s *scene) { s.ip("rule flush") }},
		{Name: "foreign-rule", Do: func(s *scene) { s.ip("rule add from 172.16.%d.0/24 table main", s.r.IntN(256)) }},
		{Name: "foreign-rule-of-the-table", Fits: routes, Do: func(s *scene) {
			s.ip("rule add from 172.16.%d.0/24 table %d", s.r.IntN(256), s.instance().table())
		}},
	}
}

func some(s Setup, is func(Instance) bool) bool {
	for _, in := range s.Instances {
		if is(in) {
			return true
		}
	}
	return false
}
