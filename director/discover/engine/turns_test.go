package engine_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"usher/director/discover"
	"usher/director/discover/engine"
)

// A source that hangs is given up at its timeout, and holds nobody else up.
func TestHangingSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		w.say("good", list(0, "10.0.0.1"))
		e, stop := w.run(config("web", "hangs", "good"))
		answered := make(chan time.Duration)
		begin := time.Now()
		go func() {
			e.Answered(context.Background())
			answered <- time.Since(begin)
		}()
		expect(t, e, "web", "10.0.0.1")
		if after := <-answered; after != 5*time.Second {
			t.Errorf("every source has answered after %v", after)
		}
		if s := e.Status()[0]; s.Failure == nil || s.Failure.Reason != discover.ReasonTimeout || s.Errors[discover.ReasonTimeout] != 1 {
			t.Errorf("%+v", s)
		}
		stop()
	})
}

// However many sources of one place hang, those of others are asked.
func TestHangingPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		w.say("good", list(0, "10.0.0.1"))
		var all []discover.Config
		for i := range 1000 {
			c := config(fmt.Sprint("pool", i), fmt.Sprint("hangs", i))
			c.Sources[0].DNS.Servers = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53")}
			all = append(all, c)
		}
		e, stop := w.run(all...)
		synctest.Wait() // as many of them as may are being asked
		e.Apply(append(all, config("web", "good")))
		expect(t, e, "web", "10.0.0.1")
		if got := engine.Look(t.Context(), append(all[:100:100], config("web", "good")), "", w.open); len(servers(got, "web")) != 1 {
			t.Errorf("%+v", got.Status())
		}
		stop()
	})
}
