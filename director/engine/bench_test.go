package engine_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"usher/director"
	"usher/director/engine"
	"usher/director/ipvs"
	"usher/director/ipvstest"
	"usher/healthcheck"
)

// many are that many pools of ten servers each.
func many(services int, checked bool) []director.VirtualServer {
	all := make([]director.VirtualServer, services)
	for i := range all {
		addr := netip.AddrFrom4([4]byte{192, 168, byte(i / 250), byte(1 + i%250)})
		all[i] = director.VirtualServer{
			Name: fmt.Sprint("s", i), Keys: []ipvs.ServiceKey{ipvs.AddressKey(ipvs.TCP, netip.AddrPortFrom(addr, 80))},
			Service: ipvs.Service{Scheduler: "rr"}, Forward: director.NAT, Quorum: 1, OnFailure: director.Remove,
		}
		for j := range 10 {
			all[i].Real = append(all[i].Real, director.RealServer{
				Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i / 250), byte(i % 250), byte(1 + j)}), 80),
				Weight:  1, Forward: director.NAT, Checked: checked,
			})
		}
	}
	return all
}

// running is a director at work on a kernel in memory, with the servers given.
// Changes of servers go to the channel.
func running(b *testing.B, servers []director.VirtualServer) (*engine.Engine, <-chan director.Event) {
	events := make(chan director.Event, 1)
	d := engine.New(engine.Options{Kernel: ipvstest.New(), State: b.TempDir(), Events: func(e director.Event) {
		if e.Kind == director.EventServer {
			events <- e
		}
	}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	if err := d.Apply(ctx, servers); err != nil {
		b.Fatal(err)
	}
	return d, events
}

// BenchmarkStart brings everything into an empty table.
func BenchmarkStart(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("%dx10", n), func(b *testing.B) {
			servers := many(n, false)
			for b.Loop() {
				running(b, servers)
			}
		})
	}
}

// BenchmarkReload changes the weight of one server. It grows with the number of
// services, in proportion.
func BenchmarkReload(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("%dx10", n), func(b *testing.B) {
			servers := many(n, false)
			d, _ := running(b, servers)
			for b.Loop() {
				servers[n/2].Real[5].Weight++
				if err := d.Apply(b.Context(), servers); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkHealthEvent takes one server out and in. It does not grow with the
// number of services.
func BenchmarkHealthEvent(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("%dx10", n), func(b *testing.B) {
			servers := many(n, true)
			d, events := running(b, servers)
			report := func(server int, s healthcheck.State) {
				d.SetHealth(healthcheck.Update{
					ID:      healthcheck.ID{VirtualServer: "s1", RealServer: servers[1].Real[server].Address},
					Verdict: healthcheck.Verdict{State: s, Percent: 100},
				})
				<-events
			}
			report(0, healthcheck.Up)
			report(1, healthcheck.Up)
			for b.Loop() {
				report(1, healthcheck.Down)
				report(1, healthcheck.Up)
			}
		})
	}
}
