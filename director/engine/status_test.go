package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/director"
	"usher/director/engine"
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
		d := engine.New(engine.Options{Kernel: k, State: t.TempDir()})
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		if err := d.Apply(ctx, []director.VirtualServer{pool(1)}); err != nil {
			t.Fatal(err)
		}
		d.SetHealth(healthcheck.Update{
			ID: healthcheck.ID{VirtualServer: "web", RealServer: server(0)}, Verdict: healthcheck.Verdict{State: healthcheck.Up, Percent: 100},
		})
		synctest.Wait()
		k.SetCounters(ipvstest.Key(0), ipvstest.Dest(0), ipvs.Counters{Active: 7})
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

// What a reload removed is in the status while it drains: a server of a pool, and all of a
// virtual server that is gone or has another address.
func TestStatusHasWhatAReloadRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		left := func(vs director.VirtualServer) director.VirtualServer {
			vs.DrainTimeout = time.Minute
			return vs
		}
		other := left(pool(1))
		other.Name, other.Keys = "other", []ipvs.ServiceKey{ipvstest.Key(1)}
		other.Real[0].Forward, other.Forward = director.FullNAT, director.FullNAT
		w.apply(left(pool(2)), other)
		for n := range 2 {
			w.health("web", n, healthcheck.Up)
		}
		w.health("other", 0, healthcheck.Up)
		w.k.SetCounters(ipvstest.Key(0), ipvstest.Dest(1), ipvs.Counters{Active: 3})
		w.k.SetCounters(ipvstest.Key(1), ipvstest.Dest(0), ipvs.Counters{Active: 4})
		moved := func() []string {
			time.Sleep(2 * time.Second)
			synctest.Wait()
			var out []string
			for _, v := range w.d.Status() {
				for _, r := range v.Real {
					if r.Removed {
						out = append(out, fmt.Sprintf("%s %t %s %s %s %d %d", v.Name, v.Removed, r.Address, r.State, r.Forward, r.Counters.Active, v.Counters.Active))
						if !strings.HasPrefix(r.Reason, "removed by a reload") || r.Since.IsZero() || !v.Up {
							t.Errorf("%+v", r)
						}
					}
				}
			}
			return out
		}
		if got := moved(); got != nil {
			t.Errorf("before the reload %q", got)
		}
		w.apply(left(pool(1)))
		want := []string{
			fmt.Sprintf("web false %s draining %s 3 3", server(1), pool(1).Real[0].Forward),
			fmt.Sprintf("other true %s draining fullnat 4 4", server(0)),
		}
		if got := moved(); !slices.Equal(got, want) {
			t.Errorf("removed are %q, want %q", got, want)
		}
		other.Keys = []ipvs.ServiceKey{ipvstest.Key(2)} // back, elsewhere
		w.apply(left(pool(1)), other)
		want[1] = fmt.Sprintf("other (removed) true %s draining fullnat 4 4", server(0))
		if got := moved(); !slices.Equal(got, want) {
			t.Errorf("removed are %q, want %q", got, want)
		}
		time.Sleep(2 * time.Minute)
		if got := moved(); got != nil {
			t.Errorf("when they are gone %q", got)
		}
	})
}
