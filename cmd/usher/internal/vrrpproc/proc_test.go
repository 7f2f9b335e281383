package vrrpproc

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"usher/vrrp"
	"usher/vrrp/vip"
)

func TestChildTakesOverAndResignsOnStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if err := w.Apply(desired("web")); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		if s := w.Status(); len(s) != 1 || s[0].State != vrrp.Active || !s[0].Held {
			t.Fatalf("status %+v", s)
		}
		if !w.kernel.Has(virtualAddress) {
			t.Fatal("the address is not there")
		}
		start := time.Now()
		w.stop()
		if w.kernel.Has(virtualAddress) {
			t.Error("the address is still there after the stop")
		}
		// One interval of waiting for a peer, of which there is none.
		if took := time.Since(start); took < time.Second || took > 1200*time.Millisecond {
			t.Errorf("the stop took %v", took)
		}
		if last := lastOf(w.sent); last != 0 {
			t.Errorf("last advert has priority %d; want the resignation", last)
		}
		var states []vrrp.State
		for len(w.events) > 0 {
			if e := <-w.events; e.Kind == vrrp.EventState {
				states = append(states, e.To)
			}
		}
		if n := len(states); n < 3 || states[n-2] != vrrp.Active || states[n-1] != vrrp.Initialize {
			t.Errorf("states told: %v", states)
		}
	})
}

func lastOf(sent chan uint8) (last uint8) {
	for len(sent) > 0 {
		last = <-sent
	}
	return last
}

// TestParentDies: the child finds the end of its connection, resigns and removes
// what it holds.
func TestParentDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if err := w.Apply(desired("web")); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		lastOf(w.sent)
		w.mu.Lock()
		child := w.conns[0]
		w.mu.Unlock()
		_ = child.Close() // what a dead parent's kernel does
		synctest.Wait()
		if w.kernel.Has(virtualAddress) {
			t.Error("the address is still there")
		}
		if len(w.sent) != 1 || <-w.sent != 0 {
			t.Error("no resignation, or more than that was sent")
		}
	})
}

// TestChildDies: what it held is withdrawn at once, it is started again, and gets
// all that is known.
func TestChildDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, crash(time.Second, vip.Address{Link: "eth0", Prefix: netip.PrefixFrom(virtualAddress, 32)}))
		go func() { _ = w.Apply(desired("web")) }() // never answered
		pass(1500 * time.Millisecond)
		if !w.kernel.Has(virtualAddress) {
			t.Fatal("the dying child left nothing: the test shows nothing")
		}
		w.Track("web", "virtual_server/s", vrrp.Adjustment{Fault: true, Reason: "virtual server s: no quorum"})
		pass(600 * time.Millisecond)
		if w.kernel.Has(virtualAddress) {
			t.Error("the address of the dead child is still there")
		}
		e := <-w.events
		if e.Kind != vrrp.EventProcess {
			t.Errorf("event %+v", e)
		}
		pass(10 * time.Second)
		if s := w.state("web"); s != vrrp.Fault {
			t.Errorf("the new child has web in %v; it was not told of the virtual server", s)
		}
		w.Track("web", "virtual_server/s", vrrp.Adjustment{})
		pass(10 * time.Second)
		if s := w.state("web"); s != vrrp.Active {
			t.Errorf("web is %v", s)
		}
	})
}

// TestChildHangs: a child that answers no more is killed, and another one started.
func TestChildHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hang)
		go func() { _ = w.Apply(desired("web")) }() // never answered
		pass(30 * time.Second)
		w.mu.Lock()
		begun := w.begun
		w.mu.Unlock()
		if begun != 1 {
			t.Fatalf("%d children within 30 s", begun)
		}
		pass(time.Minute)
		if s := w.state("web"); s != vrrp.Active {
			t.Errorf("web is %v", s)
		}
	})
}

// TestOwnAddressStays: what an owner has anyway is there after the end as before.
func TestOwnAddressStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		own := vip.Address{Link: "eth0", Prefix: netip.PrefixFrom(virtualAddress, 32)}
		if err := w.kernel.AddForeign(own); err != nil {
			t.Fatal(err)
		}
		d := desired("web")
		d.Instances[0].Priority = vrrp.OwnerPriority
		if err := w.Apply(d); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		if s := w.state("web"); s != vrrp.Active {
			t.Errorf("web is %v", s)
		}
		w.stop()
		if !w.kernel.Has(virtualAddress) {
			t.Error("the owner's address is gone")
		}
	})
}

// TestConfigurationThatDoesNotTakeEffect: a child that was started anew, with nobody who
// waits for its answer, does not live on without instances when it cannot run them, as
// where the interfaces cannot be read just now.
func TestConfigurationThatDoesNotTakeEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, crash(0))
		go func() { _ = w.Apply(desired("web")) }() // answered by nobody
		w.mu.Lock()
		w.wrong = []error{errors.New("list interfaces: no buffer space available")}
		w.mu.Unlock()
		pass(20 * time.Second)
		if s := w.state("web"); s != vrrp.Active {
			t.Errorf("web is %v", s)
		}
		var told []string
		for len(w.events) > 0 {
			if e := <-w.events; e.Kind == vrrp.EventProcess {
				told = append(told, e.Reason)
			}
		}
		if len(told) != 2 {
			t.Errorf("told %q; want both deaths", told)
		}
	})
}

// TestCrashLoop: a child that dies again and again is started with growing pauses.
func TestCrashLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var starts []starter
		for range 20 {
			starts = append(starts, crash(0))
		}
		w := newWorld(t, starts...)
		pass(time.Minute)
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.begun < 7 || w.begun > 12 {
			t.Errorf("%d starts within a minute", w.begun)
		}
	})
}

func TestReloadLeavesOthersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if err := w.Apply(desired("web", "mail")); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		if err := w.Apply(desired("web")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if w.kernel.Has(netip.MustParseAddr("192.0.2.2")) {
			t.Error("the address of the removed instance is still there")
		}
		if s := w.Status(); len(s) != 1 || s[0].State != vrrp.Active || s[0].Transitions != w.Status()[0].Transitions || !w.kernel.Has(virtualAddress) {
			t.Errorf("status %+v", s)
		}
	})
}

func TestCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if err := w.Apply(desired("web")); err != nil {
			t.Fatal(err)
		}
		if err := w.Failover("web"); err == nil {
			t.Error("failover of an instance that is not active succeeded")
		}
		if err := w.Failover("nobody"); err == nil {
			t.Error("failover of an unknown instance succeeded")
		}
		pass(10 * time.Second)
		if err := w.Maintenance(true); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		if s := w.state("web"); s == vrrp.Active || w.kernel.Has(virtualAddress) {
			t.Errorf("in maintenance: %v, address there: %v", s, w.kernel.Has(virtualAddress))
		}
		if err := w.Maintenance(false); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		if s := w.state("web"); s != vrrp.Active {
			t.Errorf("after maintenance: %v", s)
		}
		w.stop()
		if err := w.Failover("web"); !errors.Is(err, ErrNoChild) {
			t.Errorf("after the stop: %v", err)
		}
		if s := w.Status(); len(s) != 1 || s[0].State != vrrp.Initialize {
			t.Errorf("after the stop: %+v", s)
		}
	})
}
