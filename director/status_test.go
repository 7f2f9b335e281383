package director_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"usher/director"
	"usher/director/ipvs"
	"usher/director/ipvstest"
	"usher/healthcheck"
)

// hanging is a kernel that gives no counters for as long as hang is open.
type hanging struct {
	*ipvstest.Kernel
	hang chan struct{}
}

func (k *hanging) Counters(keys ...ipvs.ServiceKey) (ipvs.CounterTable, error) {
	<-k.hang
	return k.Kernel.Counters(keys...)
}

// What is known is shown, though the kernel does not answer.
func TestStatusOfAHangingKernel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &hanging{ipvstest.New(), make(chan struct{})}
		ctx, cancel := context.WithCancel(context.Background())
		d := director.New(director.Options{Kernel: k, State: t.TempDir()})
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		if err := d.Apply(ctx, []director.VirtualServer{pool(1)}); err != nil {
			t.Fatal(err)
		}
		d.SetHealth(healthcheck.Update{
			ID: healthcheck.ID{VirtualServer: "web", RealServer: server(0)}, Verdict: healthcheck.Verdict{State: healthcheck.Up, Percent: 100},
		})
		synctest.Wait()
		k.SetCounters(testKey(0), testDest(0), ipvs.Counters{Active: 7})
		for range 2 { // the second finds the first one's question still open
			start := time.Now()
			s := d.Status()
			if took := time.Since(start); took != time.Second {
				t.Errorf("it took %v", took)
			}
			if len(s) != 1 || s[0].Real[0].State != director.ServerUp || s[0].Real[0].Counters.Active != 0 {
				t.Errorf("status %+v", s)
			}
		}
		close(k.hang)
		synctest.Wait()
		if s := d.Status(); s[0].Real[0].Counters.Active != 7 {
			t.Errorf("after the answer: %+v", s[0].Real[0])
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
