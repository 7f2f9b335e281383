package director_test

import (
	"fmt"
	"net/netip"
	"time"

	"usher/director"
	"usher/director/ipvs"
	"usher/healthcheck"
)

// A pool says what it wants in the kernel, and Plan how to get there: who serves comes in
// before who has to go.
func ExamplePlan() {
	web := ipvs.AddressKey(ipvs.TCP, netip.MustParseAddrPort("192.0.2.1:80"))
	server := func(address string) director.RealServer {
		return director.RealServer{Address: netip.MustParseAddrPort(address), Weight: 1, Forward: director.NAT, Checked: true}
	}
	// What the kernel has: one server, and a service of an earlier configuration.
	have := ipvs.Table{
		web: {
			Service:      ipvs.Service{Scheduler: "rr", Netmask: web.Bits()},
			Destinations: map[ipvs.DestinationKey]ipvs.Destination{{Address: netip.MustParseAddr("10.0.0.1"), Port: 80}: {Weight: 1}},
		},
		ipvs.MarkKey(7, false): {Service: ipvs.Service{Scheduler: "rr", Netmask: 32}},
	}
	now := time.Unix(0, 0)
	pool := director.NewPool(director.VirtualServer{
		Name: "web", Keys: []ipvs.ServiceKey{web}, Service: ipvs.Service{Scheduler: "wrr"},
		Forward: director.NAT, Quorum: 1, OnFailure: director.Remove,
		Real: []director.RealServer{server("10.0.0.1:80"), server("10.0.0.2:80"), server("10.0.0.3:80")},
	}, have, now)
	pool.SetVerdict(netip.MustParseAddrPort("10.0.0.1:80"), healthcheck.Verdict{State: healthcheck.Down, Reason: "connection refused"})
	pool.SetVerdict(netip.MustParseAddrPort("10.0.0.2:80"), healthcheck.Verdict{State: healthcheck.Up, Percent: 100, Reason: "connected"})

	for _, event := range pool.Evaluate(now) {
		fmt.Println(event.RealServer, event.From, "->", event.To, event.Reason)
	}
	want := ipvs.Table{}
	pool.Want(want, now)
	for _, op := range director.Plan(want, have) {
		fmt.Println(op)
	}
	// Output:
	// 10.0.0.1:80 initial -> down connection refused
	// 10.0.0.2:80 initial -> up connected
	// add_destination tcp 192.0.2.1:80 10.0.0.2:80 nat weight 1
	// edit_service tcp 192.0.2.1:80 wrr
	// delete_destination tcp 192.0.2.1:80 10.0.0.1:80
	// delete_service fwmark 7 ipv4
}
