package sim

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"

	"usher/director"
	"usher/director/engine"
	"usher/director/ipvs"
	"usher/healthcheck"
	"usher/vrrp"
)

// Plan says what a world is made of.
type Plan struct {
	Directors int
	Groups    bool // two instances, on two networks, in a sync group
	IPv6      bool // addresses of both families
	Preempt   bool
	HMAC      bool // adverts are signed, and clocks a second apart from one to the next
	Stubborn  bool // a router of another make is there that is inferior, and never gives way
	Interval  time.Duration
	Weather   Weather
	For       time.Duration // how long it runs
	Every     time.Duration // mean time between accidents
	Accidents []Accident
}

// Bound is how long a bad state may last.
type Bound struct{ Split, None, Group, Rest time.Duration }

// trackKey is the track that Degrade and Breakdown speak through.
const trackKey = "script/web"

// bound follows from the configuration: RFC 9568 section 6.1, health checks and the
// director's comparison of the whole table every half a minute.
func (p Plan) bound() Bound {
	// A lost advertisement costs one interval more; a run of them is as unlikely as
	// the loss raised to their number.
	lost := time.Duration(0)
	for chance := p.Weather.Loss; chance > 1e-6; chance *= p.Weather.Loss {
		lost += p.Interval
	}
	slack := p.Weather.Delay + p.Interval/10
	down := time.Duration(vrrp.DefaultDownAdverts+1) * p.Interval
	b := Bound{
		Split: p.Interval + lost + slack,
		None:  down + lost + slack,
		Group: p.Interval + slack,
		Rest:  engine.DefaultResync + 15*time.Second + 2*(down+lost),
	}
	if p.Groups {
		// One member may hear what the other does not: the group settles an interval later.
		b.Split += p.Interval + lost
		b.None += down + lost
	}
	return b
}

func (p Plan) interfaces() []string {
	if p.Groups {
		return []string{"eth0", "eth1"}
	}
	return []string{"eth0"}
}

// desired is a director's VRRP configuration: only the priority differs.
func (w *world) desired(id int) vrrp.Desired {
	var d vrrp.Desired
	group := vrrp.Group{Name: "edge"}
	for i, name := range w.plan.interfaces() {
		c := vrrp.Config{
			Name: "on-" + name, Interface: name, VRID: uint8(51 + i), Priority: w.priority(id), Version: 3,
			Interval: w.plan.Interval, DownAdverts: vrrp.DefaultDownAdverts, Lease: vrrp.DefaultLease,
			Preempt: w.plan.Preempt, Accept: true,
			Track:  []vrrp.Track{{Kind: vrrp.TrackScript, Name: "web", Initial: "up"}},
			Group4: netip.MustParseAddr("224.0.0.18"), Group6: netip.MustParseAddr("ff02::12"),
			Announce: vrrp.Announce{Repeat: 5, Delay: 5 * time.Second, Refresh: time.Minute},
			Addresses: []vrrp.Address{
				{Prefix: netip.MustParsePrefix(fmt.Sprintf("10.%d.0.200/32", i+1))},
			},
		}
		if w.plan.HMAC {
			c.HMAC = &vrrp.HMAC{
				Keys: []vrrp.HMACKey{{ID: 1, Secret: bytes.Repeat([]byte{1}, vrrp.MinHMACKey)}}, ActiveKey: 1,
				AntiReplay: vrrp.AntiReplayTime, Window: vrrp.DefaultHMACWindow(c.Interval), Mode: vrrp.HMACEnforce,
			}
		}
		if w.plan.IPv6 {
			c.Addresses = append(c.Addresses,
				vrrp.Address{Prefix: netip.MustParsePrefix(fmt.Sprintf("fe80::%d:200/128", i+1))},
				vrrp.Address{Prefix: netip.MustParsePrefix(fmt.Sprintf("2001:db8:%d::200/128", i+1))})
		}
		d.Instances = append(d.Instances, c)
		group.Instances = append(group.Instances, c.Name)
	}
	if w.plan.Groups {
		d.Groups = []vrrp.Group{group}
	}
	return d
}

// priority leaves two of five directors with the same one, so that addresses
// have to decide between them.
func (w *world) priority(id int) uint8 {
	return uint8(150 - 10*min(id, 3))
}

// pools is one service with three real servers.
func (Plan) pools() ([]director.VirtualServer, []healthcheck.Target) {
	vs := director.VirtualServer{
		Name:    "web",
		Keys:    []ipvs.ServiceKey{ipvs.AddressKey(ipvs.TCP, netip.MustParseAddrPort("10.1.0.200:80"))},
		Address: "10.1.0.200:80",
		Service: ipvs.Service{Scheduler: "rr", Netmask: 32},
		Forward: director.NAT, Quorum: 1, OnFailure: director.Remove,
	}
	var targets []healthcheck.Target
	for i := range 3 {
		rs := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, 0, byte(i + 1)}), 80)
		vs.Real = append(vs.Real, director.RealServer{Address: rs, Weight: 1, Forward: director.NAT, Checked: true})
		targets = append(targets, healthcheck.Target{
			ID: healthcheck.ID{VirtualServer: "web", RealServer: rs},
			Checks: []healthcheck.Check{{
				Type: healthcheck.TypeTCP, Address: rs, Interval: healthcheck.DefaultInterval, Timeout: healthcheck.DefaultTimeout,
				Rise: healthcheck.DefaultRise, Fall: healthcheck.DefaultFall, TCP: &healthcheck.TCP{},
			}},
		})
	}
	return []director.VirtualServer{vs}, targets
}

// table is what a machine's IPVS must hold at rest, worked out from the true
// health of the servers and nothing of usher's own.
func (w *world) table(m *machine) ipvs.Table {
	key := w.pools[0].Keys[0]
	entry := ipvs.Entry{Service: w.pools[0].Service, Destinations: map[ipvs.DestinationKey]ipvs.Destination{}}
	for _, rs := range w.pools[0].Real {
		if w.answer(m.id, rs.Address).Outcome == healthcheck.Pass {
			entry.Destinations[ipvs.DestinationKey{Address: rs.Address.Addr(), Port: rs.Address.Port()}] = ipvs.Destination{Weight: 1}
		}
	}
	t := ipvs.Table{key: entry}
	for _, op := range foreign() {
		switch op.Kind {
		case ipvs.AddService:
			t[op.Key] = ipvs.Entry{Service: op.Service, Destinations: map[ipvs.DestinationKey]ipvs.Destination{}}
		case ipvs.AddDestination:
			t[op.Key].Destinations[op.Dest] = op.Destination
		}
	}
	return t
}
