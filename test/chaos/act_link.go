package chaos

import (
	"fmt"
	"maps"
	"net"
	"slices"
)

// port is the switch's end of a director's cable.
func (d *Director) port(iface string) string { return d.Name + "-" + iface }

// now is the name that an interface has at present.
func (d *Director) now(iface string) string {
	if name := d.renamed[iface]; name != "" {
		return name
	}
	return iface
}

func linkActions() []Action {
	return []Action{
		{Name: "link-deleted", Do: func(s *scene) {
			l := s.link()
			s.ip("link del %s", s.d.now(l))
			s.leave(l, leftGone)
		}},
		{Name: "link-made-again", Do: func(s *scene) {
			l := s.link()
			s.ip("link del %s", s.d.now(l))
			s.d.cable(s.ctx, l)
		}},
		{Name: "link-down", Do: func(s *scene) {
			l := s.link()
			s.ip("link set %s down", s.d.now(l))
			s.leave(l, leftDown)
		}},
		{Name: "link-flaps", Do: func(s *scene) {
			l := s.d.now(s.link())
			for range 1 + s.r.IntN(4) {
				s.ip("link set %s down", l)
				s.ip("link set %s up", l)
			}
			s.d.own(s.ctx) // what the kernel does not bring back, its owner does
		}},
		{Name: "link-renamed", Do: func(s *scene) {
			l := s.link()
			s.d.rename(s.ctx, l, "was"+l)
			s.leave(l, leftRenamed)
		}},
		{Name: "link-renamed-back", Do: func(s *scene) {
			l := s.link()
			s.d.rename(s.ctx, l, "was"+l)
			s.d.rename(s.ctx, l, l)
		}},
		{Name: "link-new-mac", Do: func(s *scene) {
			mac := net.HardwareAddr{2, 0, 0, byte(s.r.IntN(256)), byte(s.r.IntN(256)), byte(s.d.n)}
			s.ip("link set %s address %s", s.d.now(s.link()), mac)
		}},
		{Name: "link-new-mac-while-down", Do: func(s *scene) {
			l := s.d.now(s.link())
			mac := net.HardwareAddr{2, 0, 0, byte(s.r.IntN(256)), byte(s.r.IntN(256)), byte(s.d.n)}
			s.ip("link set %s down", l)
			s.ip("link set %s address %s", l, mac)
			s.ip("link set %s up", l)
			s.d.own(s.ctx)
		}},
		{Name: "link-to-other-network", Do: func(s *scene) {
			l := s.link()
			s.on(s.w.LAN, fmt.Sprintf("ip link set %s master %s", s.d.port(l), bridge(other(l))))
			s.leave(l, leftApart)
		}},
		{Name: "link-out-of-the-switch", Do: func(s *scene) {
			l := s.link()
			s.on(s.w.LAN, fmt.Sprintf("ip link set %s nomaster", s.d.port(l)))
		}},
		{Name: "carrier-lost", Do: func(s *scene) {
			l := s.link()
			s.on(s.w.LAN, "ip link set "+s.d.port(l)+" down")
			s.leave(l, leftNoCable)
		}},
		{Name: "carrier-flaps", Do: func(s *scene) {
			p := s.d.port(s.link())
			for range 1 + s.r.IntN(5) {
				s.on(s.w.LAN, "ip link set "+p+" down")
				s.on(s.w.LAN, "ip link set "+p+" up")
			}
		}},
		{Name: "link-mtu", Do: func(s *scene) { s.ip("link set %s mtu %d", s.d.now(s.link()), pick(s.r, 1280, 1400, 9000)) }},
		{Name: "link-without-multicast", Do: func(s *scene) { s.ip("link set %s multicast off", s.d.now(s.link())) }},
		{Name: "link-without-arp", Do: func(s *scene) {
			l := s.link()
			s.ip("link set %s arp off", s.d.now(l))
			if s.d.deafens(l) {
				s.leave(l, leftDeaf)
			}
		}},
		{Name: "link-alias", Do: func(s *scene) { s.ip("link property add dev %s altname alt%x", s.d.now(s.link()), s.r.IntN(4096)) }},
		{Name: "link-foreign-macvlan", Do: func(s *scene) {
			name := fmt.Sprintf("mv%x", s.r.IntN(4096))
			s.ip("link add %s link %s type macvlan mode bridge", name, s.d.now(s.link()))
			s.ip("link set %s up", name)
		}},
	}
}

// leave has an interface stay as it is, if so drawn.
func (s *scene) leave(iface, how string) {
	if s.stays() {
		s.d.left[iface] = how
		s.w.note("  and %s of %s stays so", iface, s.d.Name)
	}
}

// deafens says whether every instance that is on an interface, or has addresses there, has
// one that nobody would find without ARP: others may be active or not as they can.
func (d *Director) deafens(iface string) bool {
	return !slices.ContainsFunc(d.setup.Instances, func(in Instance) bool {
		return slices.Contains(in.links(), iface) && !in.answers(iface)
	})
}

// bridge is the network of an interface.
func bridge(iface string) string {
	if iface == "eth1" {
		return "back"
	}
	return "front"
}

func withMAC(s Setup) bool {
	for _, in := range s.Instances {
		if in.VirtualMAC {
			return true
		}
	}
	return false
}

// device draws a macvlan of usher's on the director; "" where there is none.
func (s *scene) device() string {
	for range 10 {
		in := s.instance()
		if names := slices.Sorted(maps.Keys(in.devices())); len(names) > 0 {
			s.toward(in)
			return pick(s.r, names...)
		}
	}
	return "none"
}

func macvlanActions() []Action {
	act := func(name string, do func(*scene, string)) Action {
		return Action{Name: name, Fits: withMAC, Do: func(s *scene) { do(s, s.device()) }}
	}
	return []Action{
		act("macvlan-deleted", func(s *scene, dev string) { s.ip("link del %s", dev) }),
		act("macvlan-down", func(s *scene, dev string) { s.ip("link set %s down", dev) }),
		act("macvlan-new-mac", func(s *scene, dev string) { s.ip("link set %s address 02:00:00:aa:bb:0%d", dev, s.d.n) }),
		act("macvlan-renamed", func(s *scene, dev string) {
			s.ip("link set %s down", dev)
			s.ip("link set %s name stolen%x", dev, s.r.IntN(4096))
		}),
		act("macvlan-flushed", func(s *scene, dev string) { s.ip("address flush dev %s", dev) }),
		act("macvlan-mtu", func(s *scene, dev string) { s.ip("link set %s mtu 1300", dev) }),
		act("macvlan-without-arp", func(s *scene, dev string) { s.ip("link set %s arp off", dev) }),
		act("macvlan-name-taken", func(s *scene, dev string) {
			s.ip("link del %s", dev)
			s.ip("link add %s type bridge", dev)
			s.w.later(func() { s.ip("link del %s", dev) })
		}),
	}
}
