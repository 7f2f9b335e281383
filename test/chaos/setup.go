package chaos

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Setup is what the directors of a world are configured to do. It is drawn by seed;
// actions change it.
type Setup struct {
	Directors int
	Instances []Instance
	Group     bool   // all instances are in one sync group
	Peers     bool   // the directors know each other
	BGP       *BGP   // what they announce, beside what VRRP holds; nil for nothing
	Forward   string // nat or fullnat with a virtual server and real servers, "" for VRRP alone
}

// Instance is one vrrp_instance, the same on all directors but for the priority.
type Instance struct {
	Name       string
	Interface  string
	VRID       uint8
	Version    int
	Priority   [3]int // of each director
	Advert     time.Duration
	VIPs       []VIP
	LocalRoute bool
	VirtualMAC bool
	Accept     bool
	Preempt    bool
	Lease      string // "" for the default
	Unicast    bool
	Route      bool // a virtual_route
	Rule       bool // a virtual_rule
	Preference bool // it has a priority
	Tracks     []string
	Weight     int // of the tracks; 0 is a fault
	Garp       string
}

// VIP is one virtual address.
type VIP struct {
	Prefix    netip.Prefix
	Interface string // "" for the instance's
}

// Kinds of tracks.
const (
	trackScript    = "script"
	trackFile      = "file"
	trackProcess   = "process"
	trackInterface = "interface"
)

// DrawSetup draws what the world of a seed is like; without a virtual server.
func DrawSetup(seed uint64) Setup {
	r := rand.New(rand.NewPCG(seed, 1))
	s := Setup{Directors: 2, Peers: seed%2 == 0}
	if r.IntN(4) == 0 {
		s.Directors = 3
	}
	for i := range 1 + r.IntN(3) {
		s.Instances = append(s.Instances, drawInstance(r, i))
	}
	s.Group = len(s.Instances) > 1 && r.IntN(3) == 0
	s.separate()
	return s
}

// separate leaves no instance a local route on an interface where another one has a
// virtual MAC: nobody would be answered for it, and usher refuses it.
func (s *Setup) separate() {
	for i := range s.Instances {
		in := &s.Instances[i]
		in.LocalRoute = in.LocalRoute && !some(*s, func(o Instance) bool { return o.VirtualMAC && slices.Contains(in.links(), o.Interface) })
	}
}

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

func pick[T any](r *rand.Rand, all ...T) T { return all[r.IntN(len(all))] }

func drawInstance(r *rand.Rand, i int) Instance {
	in := Instance{
		Name: []string{"web", "db", "gate", "late"}[i], Interface: "eth0", VRID: uint8(51 + i), Version: 3,
		Priority: [3]int{150, 100, 80}, Advert: 100 * time.Millisecond, Accept: true, Preempt: !chance(r, 25),
	}
	if i > 0 && chance(r, 50) {
		in.Interface = "eth1"
	}
	if chance(r, 30) { // another director's turn
		in.Priority = [3]int{100, 150, 80}
	}
	in.VirtualMAC = chance(r, 30)
	// A macvlan does not answer for an address that is on no interface.
	in.LocalRoute = chance(r, 20) && !in.VirtualMAC
	in.Unicast = chance(r, 25)
	in.Accept = !chance(r, 15)
	in.Lease = pick(r, "", "", "", "1s", "4s", "0s")
	in.Route, in.Rule, in.Preference = chance(r, 25), chance(r, 25), chance(r, 80)
	in.Garp = pick(r, "", "", "200ms")
	if chance(r, 10) && !in.VirtualMAC {
		in.Version, in.Advert = 2, time.Second
	}
	for n := range 1 + r.IntN(2) {
		in.VIPs = append(in.VIPs, VIP{Prefix: in.number(i, n, in.Interface)})
	}
	if in.Version == 3 && !in.Unicast && chance(r, 30) {
		in.VIPs = append(in.VIPs, in.six(i)...)
	}
	if chance(r, 15) {
		other := map[string]string{"eth0": "eth1", "eth1": "eth0"}[in.Interface]
		in.VIPs = append(in.VIPs, VIP{Prefix: in.number(i, 5, other), Interface: other})
	}
	if chance(r, 45) {
		in.Tracks = append(in.Tracks, pick(r, trackScript, trackFile, trackProcess, trackInterface))
		in.Weight = pick(r, 0, 0, -60)
	}
	return in
}

// number is address n of instance i on a network.
func (in Instance) number(i, n int, iface string) netip.Prefix {
	last := byte(200 + 10*i + n)
	if iface == "eth1" {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, 0, last}), 32)
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, 60, last}), 32)
}

// six are a link-local and a global address of IPv6.
func (in Instance) six(i int) []VIP {
	net, bits := "60", 64
	if in.Interface == "eth1" {
		net = "10"
	}
	if in.LocalRoute {
		bits = 128
	}
	return []VIP{
		{Prefix: netip.MustParsePrefix(fmt.Sprintf("fe80::%s:%d/%d", net, 200+i, bits))},
		{Prefix: netip.MustParsePrefix(fmt.Sprintf("fd00:%s::%d/%d", net, 200+i, bits))},
	}
}

// on is the interface that a VIP belongs to.
func (in Instance) on(v VIP) string {
	if v.Interface != "" {
		return v.Interface
	}
	return in.Interface
}

// answers says whether an IPv4 address of the instance is on an interface that needs ARP
// for it: a virtual MAC has an interface of its own.
func (in Instance) answers(iface string) bool {
	return slices.ContainsFunc(in.VIPs, func(v VIP) bool {
		return v.Prefix.Addr().Is4() && in.on(v) == iface && !(in.VirtualMAC && iface == in.Interface)
	})
}

// links are all interfaces without which the instance cannot do its work.
func (in Instance) links() []string {
	all := []string{in.Interface}
	for _, v := range in.VIPs {
		all = append(all, in.on(v))
	}
	if in.tracks(trackInterface) && in.Weight == 0 {
		all = append(all, other(in.Interface))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (in Instance) tracks(kind string) bool { return slices.Contains(in.Tracks, kind) }

// other is the director's second interface.
func other(iface string) string {
	if iface == "eth0" {
		return "eth1"
	}
	return "eth0"
}

// table is the routing table of the instance's own route and rule.
func (in Instance) table() int { return 100 + int(in.VRID) }

// routeTo is where the instance's own route leads.
const routeTo = "198.51.100.0/24"

// clone is a copy that shares nothing.
func (s Setup) clone() Setup {
	s.Instances, s.BGP = slices.Clone(s.Instances), s.BGP.clone()
	for i := range s.Instances {
		s.Instances[i].VIPs = slices.Clone(s.Instances[i].VIPs)
		s.Instances[i].Tracks = slices.Clone(s.Instances[i].Tracks)
	}
	return s
}

// own is a director's own address on a network, by its number.
func own(director int, iface string) string {
	if iface == "eth1" {
		return fmt.Sprintf("10.1.0.%d", 2+director)
	}
	return fmt.Sprintf("192.168.60.%d", 2+director)
}

// base are the addresses with prefix lengths that a director itself has there.
func base(director int, iface string) []string {
	if iface == "eth1" {
		return []string{own(director, iface) + "/16", fmt.Sprintf("fd00:10::%d/64", 2+director)}
	}
	return []string{own(director, iface) + "/24", fmt.Sprintf("fd00:60::%d/64", 2+director)}
}

// places are what the configuration of one director names on its machine.
type places struct {
	router  string
	script  string // program of track_script
	file    string // of track_file
	process string // name of the process of track_process
}

// HCL is the configuration of director number n.
func (s Setup) HCL(n int, p places) string {
	var b strings.Builder
	fmt.Fprintf(&b, "global {\n  router_id = %q\n}\n", p.router)
	if s.Peers {
		var all []string
		for other := range s.Directors {
			all = append(all, fmt.Sprintf("%q", own(other, "eth1")))
		}
		fmt.Fprintf(&b, "peers {\n  listen = %q\n  join = [%s]\n  key = \"the key of a group in chaos, 32b\"\n}\n", own(n, "eth1"), strings.Join(all, ", "))
	}
	for _, in := range s.Instances {
		in.write(&b, n, s.Directors, p)
	}
	if s.Group && len(s.Instances) > 1 {
		var names []string
		for _, in := range s.Instances {
			names = append(names, fmt.Sprintf("%q", in.Name))
		}
		fmt.Fprintf(&b, "vrrp_sync_group \"all\" {\n  instances = [%s]\n}\n", strings.Join(names, ", "))
	}
	if s.BGP != nil {
		s.BGP.write(&b, n)
	}
	if s.Forward != "" {
		b.WriteString(pool(s.Forward))
	}
	return b.String()
}

func (in Instance) write(b *strings.Builder, n, directors int, p places) {
	line := func(format string, a ...any) { fmt.Fprintf(b, "  "+format+"\n", a...) }
	fmt.Fprintf(b, "vrrp_instance %q {\n", in.Name)
	line("interface = %q", in.Interface)
	line("virtual_router_id = %d", in.VRID)
	line("version = %d", in.Version)
	line("priority = %d", in.Priority[n])
	line("advert_interval = %q", in.Advert)
	line("preempt = %t", in.Preempt)
	line("accept = %t", in.Accept)
	line("virtual_mac = %t", in.VirtualMAC)
	if in.LocalRoute {
		line(`bind = "local_route"`)
	}
	if in.Lease != "" {
		line("lease = %q", in.Lease)
	}
	for _, v := range in.VIPs {
		if v.Interface == "" {
			line("virtual_address %q {}", v.Prefix)
		} else {
			line("virtual_address %q {\n    interface = %q\n  }", v.Prefix, v.Interface)
		}
	}
	if in.Unicast {
		var peers []string
		for i := range directors {
			if i != n {
				peers = append(peers, fmt.Sprintf("%q", own(i, in.Interface)))
			}
		}
		line("unicast {\n    source = %q\n    peers = [%s]\n  }", own(n, in.Interface), strings.Join(peers, ", "))
	}
	if in.Garp != "" {
		line("garp {\n    delay = %q\n    refresh = \"1s\"\n  }", in.Garp)
	}
	if in.Route {
		line("virtual_route %q {\n    type = \"blackhole\"\n    table = %d\n  }", routeTo, in.table())
	}
	if in.Rule {
		preference := ""
		if in.Preference {
			preference = fmt.Sprintf("    priority = %d\n", 1000+in.table())
		}
		line("virtual_rule {\n    from = %q\n    table = %d\n%s  }", in.ruleFrom(), in.table(), preference)
	}
	in.writeTracks(line, p)
	b.WriteString("}\n")
}

// ruleFrom is what the instance's own rule is about.
func (in Instance) ruleFrom() netip.Prefix { return netip.PrefixFrom(in.VIPs[0].Prefix.Addr(), 32) }

func (in Instance) writeTracks(line func(string, ...any), p places) {
	for _, t := range in.Tracks {
		switch t {
		case trackScript:
			line("track_script \"probe\" {\n    command = [%q]\n    interval = \"300ms\"\n    timeout = \"2s\"\n    weight = %d\n  }", p.script, in.Weight)
		case trackFile:
			weight := 0
			if in.Weight != 0 {
				weight = 1
			}
			line("track_file %q {\n    weight = %d\n  }", p.file, weight)
		case trackProcess:
			line("track_process %q {\n    weight = %d\n  }", p.process, in.Weight)
		case trackInterface:
			line("track_interface %q {\n    weight = %d\n  }", other(in.Interface), in.Weight)
		}
	}
}
