package chaos

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// announcement draws one of what the director announces.
func (s *scene) announcement() Announce { return pick(s.r, s.d.setup.BGP.Announce...) }

// drawnPrefix draws an announced address.
func (s *scene) drawnPrefix() netip.Prefix { return pick(s.r, s.announcement().Prefixes...) }

// birdc tells the router something of its sessions with the director.
func (s *scene) birdc(words string, sessions ...string) {
	for _, name := range sessions {
		s.w.sh(s.ctx, s.w.router.Node, "birdc", "-s", s.w.router.socket(), words, name)
	}
}

func (s *scene) sessions() []string {
	all := []string{fmt.Sprintf("four%d", s.d.n)}
	if s.w.router.setup.Six {
		all = append(all, fmt.Sprintf("six%d", s.d.n))
	}
	return all
}

// bar has the router's machine drop what comes from a director, or goes there, for a while or
// until the world is healed.
func (s *scene) bar(hook, what string) {
	table := fmt.Sprintf("inet bar%s%d", hook, s.d.n)
	end := map[string]string{"input": "saddr", "output": "daddr"}[hook]
	s.on(s.w.Client, "nft add table "+table)
	s.on(s.w.Client, "nft add chain "+table+" c { type filter hook "+hook+" priority 0 ; }")
	s.on(s.w.Client, fmt.Sprintf("nft add rule %s c ip %s %s %s drop", table, end, own(s.d.n, "eth0"), what))
	s.on(s.w.Client, fmt.Sprintf("nft add rule %s c ip6 %s %s %s drop", table, end, six(s.d.n), what))
	lift := func() { s.on(s.w.Client, "nft delete table "+table) }
	if chance(s.r, 50) {
		wait(s.ctx, pick(s.r, waits...))
		lift()
		return
	}
	s.w.later(lift)
}

// alter has every director announce otherwise, and the router know of it where it must.
func alter(name string, router bool, do func(s *scene, b *BGP, draw int)) Action {
	return Action{Name: name, Fits: bgp, Do: func(s *scene) {
		draw := s.r.IntN(256)
		if router {
			do(s, &s.w.router.setup, draw)
			if _, err := s.w.router.write(len(s.w.directors)); err != nil {
				s.w.note("  %v", err)
			}
			s.w.sh(s.ctx, s.w.router.Node, "birdc", "-s", s.w.router.socket(), "configure")
		}
		s.change(true, func(_ int, setup *Setup) { do(s, setup.BGP, draw) })
	}}
}

func bgpActions() []Action {
	do := func(name string, do func(*scene)) Action { return Action{Name: name, Fits: bgp, Do: do} }
	return slices.Concat([]Action{
		do("session-closed-by-router", func(s *scene) { s.birdc("restart", s.sessions()...) }),
		do("session-off-for-a-while", func(s *scene) {
			s.birdc("disable", s.sessions()...)
			wait(s.ctx, pick(s.r, waits...))
			s.birdc("enable", s.sessions()...)
		}),
		do("bgp-not-heard", func(s *scene) { s.bar(pick(s.r, "input", "output"), "meta l4proto tcp") }),
		do("bfd-one-way", func(s *scene) { s.bar(pick(s.r, "input", "output"), "udp dport 3784") }),
		do("router-killed", func(s *scene) {
			if err := s.w.router.process.Kill(); err != nil {
				s.w.note("  %v", err)
			}
			if chance(s.r, 50) {
				wait(s.ctx, pick(s.r, waits...))
				s.w.note("  the router again: %v", s.w.router.start(len(s.w.directors)))
			}
		}),
		do("router-stopped", func(s *scene) {
			p := s.w.router.process
			s.d.signal(syscall.SIGSTOP, p.PID())
			cont := func() {
				if !ended(p) {
					s.d.signal(syscall.SIGCONT, p.PID())
				}
			}
			if chance(s.r, 50) {
				wait(s.ctx, pick(s.r, waits...))
				cont()
				return
			}
			s.w.later(cont)
		}),
		do("router-address-gone", func(s *scene) {
			s.on(s.w.Client, "ip address del "+routerFour+"/24 dev eth0")
			wait(s.ctx, pick(s.r, waits...))
			s.on(s.w.Client, "ip address add "+routerFour+"/24 dev eth0")
		}),
		do("announced-address-removed", func(s *scene) { s.ip("address del %s dev lo", s.drawnPrefix()) }),
		do("announced-address-removed-again-and-again", func(s *scene) {
			p := s.drawnPrefix()
			for range 3 + s.r.IntN(10) {
				s.ip("address del %s dev lo", p)
			}
		}),
		do("announced-address-by-hand", func(s *scene) {
			p := s.drawnPrefix()
			s.ip("address del %s dev lo", p)
			s.ip("address add %s dev lo", p)
			d := s.d
			s.w.later(func() { s.w.sh(s.ctx, d.Node, "ip", "address", "del", p.String(), "dev", "lo") })
		}),
		do("lo-flushed", func(s *scene) {
			s.ip("address flush dev lo")
			d := s.d
			s.w.later(func() { // whoever serves there may start again
				s.w.sh(s.ctx, d.Node, "ip", "address", "add", "127.0.0.1/8", "dev", "lo")
				s.w.sh(s.ctx, d.Node, "ip", "address", "add", "::1/128", "dev", "lo")
			})
		}),
		do("lo-down", func(s *scene) {
			s.ip("link set lo down")
			wait(s.ctx, pick(s.r, waits...))
			s.ip("link set lo up")
		}),
		do("announce-filter-deleted", func(s *scene) { s.sh("nft delete table inet usher_announce") }),
		do("announce-filter-emptied", func(s *scene) { s.sh("nft flush table inet usher_announce") }),
		do("announce-set-emptied", func(s *scene) { s.sh("nft flush set inet usher_announce addresses4") }),
		do("announcement-withdrawn", func(s *scene) {
			name := s.announcement().Name
			s.d.usher(s.ctx, "withdraw", name)
			s.d.withdrawn[name] = s.stays() && s.d.running()
		}),
		do("announcement-withdrawn-and-back", func(s *scene) {
			name := s.announcement().Name
			s.d.usher(s.ctx, "withdraw", name)
			wait(s.ctx, pick(s.r, waits...))
			s.d.usher(s.ctx, "announce", name)
			s.d.withdrawn[name] = false
		}),
		do("servers-disabled", func(s *scene) {
			a := s.announcement()
			i := s.r.IntN(len(a.Prefixes))
			for _, server := range serversOf(a.Prefixes[i]) {
				s.d.usher(s.ctx, "disable", fmt.Sprintf("%s%d", a.Name, i), server, "--force", "--local")
			}
			s.d.disabled = true
		}),
		do("clock-of-bgp", func(s *scene) { // both are stopped, and their timers run out together
			s.d.signal(syscall.SIGSTOP, append(s.d.family(), s.w.router.process.PID())...)
			wait(s.ctx, pick(s.r, waits...))
			s.d.signal(syscall.SIGCONT, append(s.d.family(), s.w.router.process.PID())...)
		}),
	}, bgpReloads())
}

func bgpReloads() []Action {
	first := func(b *BGP) *Announce { return &b.Announce[0] }
	spans := []time.Duration{0, 300 * time.Millisecond, time.Second}
	return []Action{
		alter("reload-bgp-hold", true, func(_ *scene, b *BGP, draw int) { b.Hold = []int{3, 9}[draw%2] }),
		alter("reload-bgp-bfd", true, func(_ *scene, b *BGP, _ int) { b.BFD = !b.BFD }),
		alter("reload-bgp-password", true, func(_ *scene, b *BGP, draw int) { b.Password = []string{"", "of both", "another"}[draw%3] }),
		alter("reload-bgp-session", true, func(_ *scene, b *BGP, _ int) { b.Six = !b.Six }),
		alter("reload-announce-times", false, func(_ *scene, b *BGP, draw int) {
			a := first(b)
			a.UpDelay, a.Drain, a.Lingers = spans[draw%3], spans[draw/3%3], spans[draw/9%3]
		}),
		alter("reload-announce-attributes", false, func(_ *scene, b *BGP, draw int) {
			first(b).Communities, first(b).MED = draw%2 == 0, draw/2%3*50
		}),
		alter("reload-announce-track", false, func(_ *scene, b *BGP, _ int) { first(b).TracksBack = !first(b).TracksBack }),
		alter("reload-announce-instance", false, func(_ *scene, b *BGP, _ int) { first(b).Instance = "" }),
		alter("reload-announce-address", false, func(_ *scene, b *BGP, draw int) {
			a := first(b)
			if p := announced(0, 1+draw%3); !slices.Contains(a.Prefixes, p) && len(a.Prefixes) < 3 {
				a.Prefixes = append(a.Prefixes, p)
				return
			}
			if len(a.Prefixes) > 1 {
				a.Prefixes = a.Prefixes[1:]
			}
		}),
		alter("reload-announce-moved", false, func(_ *scene, b *BGP, _ int) { // to another announcement, which has it from then on
			if len(b.Announce) > 1 && len(b.Announce[1].Prefixes) > 1 {
				last := len(b.Announce[1].Prefixes) - 1
				b.Announce[0].Prefixes = append(b.Announce[0].Prefixes, b.Announce[1].Prefixes[last])
				b.Announce[1].Prefixes = b.Announce[1].Prefixes[:last]
			}
		}),
		alter("reload-announce-more", false, func(_ *scene, b *BGP, _ int) {
			if n := len(b.Announce); b.Announce[n-1].Name == "more" {
				b.Announce = b.Announce[:n-1]
			} else {
				b.Announce = append(b.Announce, Announce{Name: "more", Prefixes: []netip.Prefix{announced(2, 0)}})
			}
		}),
	}
}
