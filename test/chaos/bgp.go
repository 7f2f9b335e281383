package chaos

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/test/lab"
	"usher/vrrp/dump"
)

// BGP is what the directors of a world announce to its router, which is the client's
// machine.
type BGP struct {
	Hold     int  // seconds
	BFD      bool // on the session by IPv4
	Six      bool // there is a session by IPv6, too
	Password string
	Announce []Announce
}

// Announce is one block of that name, the same on all directors.
type Announce struct {
	Name                    string
	Prefixes                []netip.Prefix
	UpDelay, Drain, Lingers time.Duration
	Communities, TracksBack bool
	MED                     int
	Instance                string // of which it depends; "" for none
}

// bgpPatience is for the longest up_delay and linger, besides what a session takes.
const bgpPatience = 2 * time.Second

// The router's own.
const (
	routerFour = "192.168.60.100"
	routerSix  = "fd00:60::100"
	routerASN  = 65000
	ownASN     = 65001
)

// DrawBGPSetup draws a world in which directors announce addresses to a router, beside one
// that VRRP holds. It is for usher without IPVS: nothing is forwarded.
func DrawBGPSetup(seed uint64) Setup {
	r := rand.New(rand.NewPCG(seed, 5))
	s := Setup{Directors: 2 + r.IntN(2), Peers: chance(r, 50), Instances: []Instance{drawInstance(r, 0)}}
	s.separate()
	b := &BGP{Hold: pick(r, 3, 3, 9), BFD: chance(r, 50), Six: chance(r, 50), Password: pick(r, "", "of both")}
	for i := range 1 + r.IntN(2) {
		b.Announce = append(b.Announce, drawAnnounce(r, i, s.Instances[0].Name))
	}
	s.BGP = b
	return s
}

func drawAnnounce(r *rand.Rand, i int, instance string) Announce {
	a := Announce{
		Name: []string{"shop", "mail", "more"}[i], Prefixes: []netip.Prefix{announced(i, 0)},
		UpDelay: pick(r, 0, 300*time.Millisecond, time.Second), Drain: pick(r, 0, 500*time.Millisecond), Lingers: pick(r, 0, 500*time.Millisecond, time.Second),
		Communities: chance(r, 50), TracksBack: chance(r, 30),
	}
	if chance(r, 60) {
		a.Prefixes = append(a.Prefixes, netip.MustParsePrefix(fmt.Sprintf("2001:db8::%d/128", 10+i)))
	}
	if chance(r, 20) {
		a.Instance = instance
	}
	return a
}

// announced is address n of announcement i.
func announced(i, n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + 10*i + n)}), 32)
}

func (b *BGP) clone() *BGP {
	if b == nil {
		return nil
	}
	c := *b
	c.Announce = slices.Clone(c.Announce)
	for i := range c.Announce {
		c.Announce[i].Prefixes = slices.Clone(c.Announce[i].Prefixes)
	}
	return &c
}

func bgp(s Setup) bool { return s.BGP != nil }

// six is a director's own address of IPv6 on the front.
func six(director int) string { return fmt.Sprintf("fd00:60::%d", 2+director) }

// write writes the blocks of director n.
func (b *BGP) write(out *strings.Builder, n int) {
	line := func(format string, a ...any) { fmt.Fprintf(out, format+"\n", a...) }
	peer := func(address, more string) {
		line("  peer %q {\n    asn = %d\n    hold_time = \"%ds\"\n%s", address, routerASN, b.Hold, more)
		if b.Password != "" {
			line("    password = %q", b.Password)
		}
		line("  }")
	}
	line("bgp {\n  asn = %d\n  router_id = %q", ownASN, own(n, "eth0"))
	more := fmt.Sprintf("    next_hop6 = %q\n", six(n))
	if b.BFD {
		more += "    bfd {\n      min_tx = \"300ms\"\n      multiplier = 5\n    }\n"
	}
	peer(routerFour, more)
	if b.Six {
		peer(routerSix, "")
	}
	line("}")
	for _, a := range b.Announce {
		a.write(line)
	}
}

func (a Announce) write(line func(string, ...any)) {
	var addresses []string
	for _, p := range a.Prefixes {
		addresses = append(addresses, fmt.Sprintf("%q", p))
	}
	line("announce %q {\n  addresses = [%s]\n  up_delay = %q\n  drain_timeout = %q\n  linger = %q\n  med = %d", a.Name, strings.Join(addresses, ", "), a.UpDelay, a.Drain, a.Lingers, a.MED)
	if a.Communities {
		line("  communities = [\"65000:100\", \"no-export\"]")
	}
	if a.Instance != "" {
		line("  instance = %q", a.Instance)
	}
	if a.TracksBack {
		line("  track_interface \"eth1\" {}")
	}
	line("}")
	for i, p := range a.Prefixes {
		servers := realServers()
		if p.Addr().Is6() {
			servers = []string{"  real_server \"[fd00:10::11]:80\" {}\n", "  real_server \"[fd00:10::12]:80\" {}\n"}
		}
		line("virtual_server \"%s%d\" {\n  address = %q\n  scheduler = \"mh\"\n  scheduler_flags = [\"mh-port\", \"mh-fallback\"]\n  forward_method = \"dr\"\n%s}",
			a.Name, i, netip.AddrPortFrom(p.Addr(), 80), strings.Join(servers, ""))
	}
}

// router is BIRD on the client's machine.
type router struct {
	*lab.Node
	setup   BGP
	folder  string // of the socket, whose path must be short
	process *lab.Process
}

// route starts the router of a world that has one.
func (w *World) route(s Setup) error {
	if s.BGP == nil {
		return nil
	}
	folder, err := os.MkdirTemp("", "chaos-bird-")
	if err != nil {
		return err
	}
	w.router = &router{Node: w.Client, setup: *s.BGP.clone(), folder: folder}
	return w.router.start(len(w.directors))
}

func (r *router) socket() string { return filepath.Join(r.folder, "bird.ctl") }

func (r *router) write(directors int) (path string, err error) {
	var b strings.Builder
	b.WriteString("log stderr all;\nrouter id " + routerFour + ";\nprotocol device { scan time 1; }\n")
	for _, family := range []string{"ipv4", "ipv6"} {
		fmt.Fprintf(&b, "protocol kernel { scan time 1; merge paths on; %s { export all; }; }\n", family)
	}
	b.WriteString("protocol bfd { interface \"eth0\" { interval 300 ms; multiplier 5; }; }\n")
	session := func(name, local, neighbour string, bfd bool, families ...string) {
		fmt.Fprintf(&b, "protocol bgp %s {\n  local %s as %d;\n  neighbor %s as %d;\n  hold time %d;\n  connect delay time 1;\n  connect retry time 2;\n  error wait time 1, 1;\n", name, local, routerASN, neighbour, ownASN, r.setup.Hold)
		if r.setup.Password != "" {
			fmt.Fprintf(&b, "  password %q;\n", r.setup.Password)
		}
		if bfd {
			b.WriteString("  bfd on;\n")
		}
		for _, f := range families {
			fmt.Fprintf(&b, "  %s { import all; export none; };\n", f)
		}
		b.WriteString("}\n")
	}
	for n := range directors {
		session(fmt.Sprintf("four%d", n), routerFour, own(n, "eth0"), r.setup.BFD, "ipv4", "ipv6")
		if r.setup.Six {
			session(fmt.Sprintf("six%d", n), routerSix, six(n), false, "ipv6")
		}
	}
	return r.WriteFile("bird.conf", b.String())
}

func (r *router) start(directors int) error {
	path, err := r.write(directors)
	if err != nil {
		return err
	}
	r.process, err = r.Start("bird", "bird", "-f", "-c", path, "-s", r.socket())
	return err
}

// routes are the next hops that the router's kernel has for each announced prefix.
func (r *router) routes() (map[netip.Prefix][]string, error) {
	table := map[netip.Prefix][]string{}
	err := r.Do(func() error {
		for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
			list, err := dump.Read(func() ([]netlink.Route, error) {
				return netlink.RouteListFiltered(family, &netlink.Route{Protocol: unix.RTPROT_BIRD}, netlink.RT_FILTER_PROTOCOL)
			})
			if err != nil {
				return err
			}
			for _, one := range list {
				ip, ok := netip.AddrFromSlice(one.Dst.IP)
				if !ok {
					continue
				}
				ones, _ := one.Dst.Mask.Size()
				p := netip.PrefixFrom(ip.Unmap(), ones)
				hops := map[string]bool{}
				for _, h := range one.MultiPath {
					hops[h.Gw.String()] = true
				}
				if one.Gw != nil {
					hops[one.Gw.String()] = true
				}
				for _, h := range table[p] {
					hops[h] = true
				}
				table[p] = slices.Sorted(maps.Keys(hops))
			}
		}
		return nil
	})
	return table, err
}

// healRouter has the router serve, as the directors' configuration wants it.
func (w *World) healRouter(ctx context.Context) error {
	r := w.router
	if r == nil {
		return nil
	}
	if ended(r.process) {
		if err := r.start(len(w.directors)); err != nil {
			return err
		}
	}
	for _, d := range w.directors {
		for _, a := range d.setup.BGP.Announce {
			switch {
			case !d.running():
			case d.withdrawn[a.Name]: // its state folder may have been spoilt
				d.usher(ctx, "withdraw", a.Name)
			default:
				d.usher(ctx, "announce", a.Name)
			}
			for i, p := range a.Prefixes {
				for _, server := range serversOf(p) {
					if d.running() && d.disabled {
						d.usher(ctx, "enable", fmt.Sprintf("%s%d", a.Name, i), server)
					}
				}
			}
		}
		d.disabled = false
	}
	return nil
}

// serversOf are the real servers behind a prefix.
func serversOf(p netip.Prefix) (all []string) {
	if p.Addr().Is6() {
		return []string{"[fd00:10::11]:80", "[fd00:10::12]:80"}
	}
	for _, a := range lab.RIPs {
		all = append(all, netip.AddrPortFrom(a, 80).String())
	}
	return all
}
