package engine_test

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"usher/director"
	"usher/director/engine"
	"usher/director/ipvs"
	"usher/director/ipvstest"
)

// slow is a kernel that takes its time.
type slow struct {
	*ipvstest.Kernel
	takes time.Duration
}

func (s slow) Apply(ops []ipvs.Op) []error {
	time.Sleep(s.takes)
	return s.Kernel.Apply(ops)
}

// TestBusy: a director that has much to do gets on from one step to the next, one that
// waits for the kernel does not, and one that has nothing to do is at none.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takes = 10 * time.Second
		d := engine.New(engine.Options{Kernel: slow{ipvstest.New(), takes}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		vs := pool(0)
		for i := range 5000 {
			address := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 80)
			vs.Real = append(vs.Real, director.RealServer{Address: address, Weight: 1, Forward: director.NAT})
		}
		synctest.Wait()
		if busy := d.Stats().Busy; !busy.IsZero() {
			t.Errorf("at rest: busy since %s", busy)
		}
		applied := make(chan error, 1)
		go func() { applied <- d.Apply(ctx, []director.VirtualServer{vs}) }()
		begun, steps := time.Now(), map[time.Time]bool{}
		for len(applied) == 0 {
			time.Sleep(time.Second)
			synctest.Wait()
			busy := d.Stats().Busy
			steps[busy] = true
			if age := time.Since(busy); len(applied) == 0 && age > takes {
				t.Fatalf("%s after the beginning: at one step for %s", time.Since(begun), age)
			}
		}
		if err := <-applied; err != nil || time.Since(begun) < 2*takes || len(steps) < 3 {
			t.Errorf("%d steps in %s: %v", len(steps), time.Since(begun), err)
		}
		if busy := d.Stats().Busy; !busy.IsZero() {
			t.Errorf("at rest again: busy since %s", busy)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
