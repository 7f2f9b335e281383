// Package enginetest has the tests of the director's engine that run on the double of the
// kernel and on the real one.
//
//	enginetest.Plans(t, ipvstest.New(), seed, 1000)
package enginetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"usher/director"
	"usher/director/engine"
	"usher/director/ipvs"
)

// Plans applies random configurations one after the other, rounds of them, and
// checks that each Apply does what Plan said, no more and no less, and that
// nothing is left to plan after it. It runs on the double and on the real kernel;
// the seed is told where it fails.
func Plans(t *testing.T, k director.Kernel, seed uint64, rounds int) {
	random := rand.New(rand.NewPCG(seed, 0))
	d := engine.New(engine.Options{Kernel: k, State: t.TempDir()})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	// Not at the end of the test: a director that runs on would repair its table
	// while the next one has the kernel.
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := d.Stop(context.Background(), false); err != nil {
			t.Error(err)
		}
	}()
	for round := range rounds {
		where := fmt.Sprintf("seed %d, round %d", seed, round)
		servers := randomServers(random)
		report, err := d.Plan(ctx, servers)
		if err != nil {
			t.Fatalf("%s: plan: %v", where, err)
		}
		before := d.Stats()
		if err := d.Apply(ctx, servers); err != nil {
			t.Fatalf("%s: apply: %v", where, err)
		}
		after := d.Stats()
		said := map[string]uint64{}
		for _, c := range report.Changes {
			object := map[bool]string{true: "service", false: "destination"}[c.Kind == "service"]
			said[map[director.Action]string{
				director.ActionAdd: "add_", director.ActionEdit: "edit_", director.ActionRemove: "delete_",
			}[c.Action]+object]++
		}
		for kind, n := range after.Ops {
			if done := n - before.Ops[kind]; done != said[kind.String()] {
				t.Fatalf("%s: %d operations %s, the plan said %d:\n%s", where, done, kind, said[kind.String()], report)
			}
		}
		left, err := d.Plan(ctx, servers)
		if err != nil || !left.Empty() {
			t.Fatalf("%s: after Apply there is left, %v:\n%s", where, err, left)
		}
	}
}

// randomServers draws virtual servers without checks or drains over few
// addresses, so that one configuration has much in common with the next.
func randomServers(random *rand.Rand) []director.VirtualServer {
	var out []director.VirtualServer
	for n := range 6 {
		if random.IntN(3) == 0 {
			continue
		}
		vs := director.VirtualServer{
			Name:    fmt.Sprintf("vs%d", n),
			Quorum:  1,
			Service: ipvs.Service{Scheduler: pick(random, "rr", "wrr", "sh", "mh")},
			Forward: director.NAT, OnFailure: pick(random, director.Remove, director.Quiesce),
		}
		if random.IntN(2) == 0 {
			vs.Service.Flags, vs.Service.Persistence = ipvs.Persistent, uint32(60*(1+random.IntN(3)))
		}
		for i := range 1 + random.IntN(2) {
			key := ipvs.AddressKey(pick(random, ipvs.TCP, ipvs.UDP), netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n + 1)}), uint16(80+i)))
			if n == 5 {
				key = ipvs.MarkKey(uint32(70+i), false)
			}
			vs.Keys = append(vs.Keys, key)
		}
		for i := range 5 {
			if random.IntN(2) == 0 {
				continue
			}
			vs.Real = append(vs.Real, director.RealServer{
				Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 0),
				Weight:  1 + random.IntN(3), Forward: pick(random, director.NAT, director.DR, director.Tun),
				Upper: uint32(random.IntN(2) * 100),
			})
		}
		out = append(out, vs)
	}
	return out
}

func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }
