package vrrp_test

import (
	"fmt"
	"net/netip"
	"time"

	"usher/vrrp"
)

// A router that hears nobody takes over, and gives way to one of a higher priority. No
// clock runs: each event says when it happened, and the driver keeps the one timer.
func ExampleMachine() {
	m := vrrp.NewMachine(vrrp.Parameters{Version: 3, Priority: 100, Interval: time.Second, DownAdverts: 3, Preempt: true})
	step := func(in vrrp.Input) {
		var actions []vrrp.Action
		m, actions = m.Step(in)
		for _, a := range actions {
			switch a.Kind {
			case vrrp.ActArm:
				fmt.Printf("%s: timer until %s\n", in.At, a.At)
			case vrrp.ActSend:
				fmt.Printf("%s: advertise priority %d\n", in.At, m.Priority())
			case vrrp.ActHold:
				fmt.Printf("%s: hold the addresses\n", in.At)
			case vrrp.ActDrop:
				fmt.Printf("%s: drop the addresses\n", in.At)
			case vrrp.ActNotify:
				fmt.Printf("%s: %s -> %s\n", in.At, a.From, a.To)
			}
		}
	}
	step(vrrp.Input{Kind: vrrp.StepStart})
	due, _ := m.Timer() // three intervals, and Skew_Time
	step(vrrp.Input{Kind: vrrp.StepExpired, At: due})
	step(vrrp.Input{
		Kind: vrrp.StepAdvert, At: due + 200*time.Millisecond, Priority: 150, Interval: time.Second,
		From: netip.MustParseAddr("192.0.2.2"), Local: netip.MustParseAddr("192.0.2.1"),
	})

	// Output:
	// 0s: timer until 3.609375s
	// 0s: initialize -> backup
	// 3.609375s: advertise priority 100
	// 3.609375s: hold the addresses
	// 3.609375s: timer until 4.609375s
	// 3.609375s: backup -> active
	// 3.809375s: drop the addresses
	// 3.809375s: timer until 7.41875s
	// 3.809375s: active -> backup
}
