package engine_test

import (
	"context"
	"fmt"
	"net/netip"

	"usher/director"
	"usher/director/engine"
	"usher/director/ipvs"
	"usher/director/ipvstest"
	"usher/healthcheck"
)

// An engine brings a kernel, here a double, to a configuration, and follows the checks and
// the operator from then on.
func Example() {
	changed := make(chan director.Event, 2)
	kernel := ipvstest.New() // genl.Open() is the machine's own
	e := engine.New(engine.Options{Kernel: kernel, Events: func(event director.Event) {
		if event.Kind == director.EventServer {
			changed <- event
		}
	}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }()

	web := ipvs.AddressKey(ipvs.TCP, netip.MustParseAddrPort("192.0.2.1:80"))
	server := netip.MustParseAddrPort("10.0.0.1:80")
	servers := []director.VirtualServer{{
		Name: "web", Keys: []ipvs.ServiceKey{web}, Service: ipvs.Service{Scheduler: "rr"},
		Forward: director.NAT, Quorum: 1, OnFailure: director.Remove,
		Real: []director.RealServer{{Address: server, Weight: 1, Forward: director.NAT, Checked: true}},
	}}
	plan, err := e.Plan(ctx, servers) // what Apply would do
	fmt.Printf("%s%v\n", plan, err)
	fmt.Println(e.Apply(ctx, servers), kernel.Table()[web])

	// A check has passed.
	e.SetHealth(healthcheck.Update{
		ID:      healthcheck.ID{VirtualServer: "web", RealServer: server},
		Verdict: healthcheck.Verdict{State: healthcheck.Up, Percent: 100, Reason: "connected"},
	})
	fmt.Println((<-changed).To, kernel.Table()[web])

	// An operator wants the server out, and is told what that does.
	effect, err := e.Override("web", server, director.Override{Mode: director.OverrideDisable, By: "ann", Reason: "new disk"})
	fmt.Println(effect.Before, "->", effect.After, err)
	<-changed
	status := e.Status()[0]
	fmt.Println(status.Up, status.Real[0].State, status.Real[0].Reason)

	cancel() // Run ends, and the kernel stays as it is until Stop
	fmt.Println(<-ended, e.Stop(context.Background(), false), len(kernel.Table()))
	// Output:
	// web tcp 192.0.2.1:80
	//   + service rr
	//   + real_server 10.0.0.1:80 nat weight 1 (once its checks pass)
	// <nil>
	// <nil> {rr map[]}
	// up {rr map[10.0.0.1:80:nat weight 1]}
	// 1 -> 0 <nil>
	// false disabled disabled by ann: new disk
	// <nil> <nil> 0
}
