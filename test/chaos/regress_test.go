package chaos

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// regressions are sequences that found a fault, in worlds with one instance that
// has what it takes.
var regressions = []struct {
	name  string
	setup func(*Setup, *Instance)
	steps string
}{
	{"a flushed nft ruleset made an instance accept what it shall not", func(_ *Setup, in *Instance) { in.Accept = false },
		"nft-flushed-twice@a:1+0s"},
	{"a kernel setting that a virtual MAC needs stayed as somebody set it", func(_ *Setup, in *Instance) { in.VirtualMAC = true },
		"macvlan-base-settings@a:1+0s macvlan-settings@a:2+0s"},
	{"a macvlan that was set down stayed down", func(_ *Setup, in *Instance) { in.VirtualMAC = true },
		"macvlan-down@a:1+0s"},
	{"a change of bind lost the addresses", func(_ *Setup, in *Instance) { in.VIPs = in.VIPs[:1] },
		"reload-bind@a:1+0s"},
	{"each repair added a rule without a priority once more", func(_ *Setup, in *Instance) { in.Rule = true },
		"vip-removed-again-and-again@a:1+0s"},
	{"a route in whose place another one came was not put back", func(_ *Setup, in *Instance) { in.Route = true },
		"route-replaced@a:1+0s"},
	{"a control socket that was removed stayed away", func(*Setup, *Instance) {}, "socket-removed@a:1+0s"},
	{"a configuration that is a FIFO held the reload, and the end", func(*Setup, *Instance) {}, "config-a-fifo@a:1+0s"},
	{"a tracked file that is a FIFO held the end", func(_ *Setup, in *Instance) { in.Tracks = []string{trackFile} },
		"file-a-fifo@a:1+0s"},
	{"a start with another configuration left what a killed usher had held", func(_ *Setup, in *Instance) {
		in.VirtualMAC, in.Accept, in.Route, in.Rule = true, false, true, true
	}, "all-killed@a:1+0s reload-vrid@a:1+0s reload-accept@a:1+0s"},
	{"a kernel setting stayed on an interface that was renamed as the VRRP process died",
		func(_ *Setup, in *Instance) { in.VirtualMAC = true }, "link-renamed@a:1+0s child-killed@a:1+500ms"},
	{"nobody found the addresses of an interface whose ARP was left off", func(*Setup, *Instance) {}, "link-without-arp@a:5+0s link-without-arp@b:5+0s"},
	{"a backup answered for an address that was left on its lo, unsaid", func(*Setup, *Instance) {}, "vip-by-hand-on-lo@b:2+0s"},
	{"a macvlan without ARP stayed so", func(_ *Setup, in *Instance) { in.VirtualMAC = true },
		"macvlan-without-arp@a:1+0s client-forgets@a:1+0s"},
}

// TestRegressions lives through what was wrong once.
func TestRegressions(t *testing.T) {
	var all []Story
	for _, r := range regressions {
		s := Setup{Directors: 2, Instances: []Instance{{
			Name: "web", Interface: "eth0", VRID: 51, Version: 3, Priority: [3]int{150, 100}, Advert: 100 * time.Millisecond,
			VIPs: []VIP{
				{Prefix: netip.MustParsePrefix("192.168.60.200/32")},
				{Prefix: netip.MustParsePrefix("fe80::60:200/64")}, {Prefix: netip.MustParsePrefix("fd00:60::200/64")},
			},
			Accept: true, Preempt: true,
		}}}
		r.setup(&s, &s.Instances[0])
		all = append(all, Story{Name: r.name, Setup: s, Steps: parse(t, strings.Fields(r.steps)...)})
	}
	Tell(t, options(), all)
}
