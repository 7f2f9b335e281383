package vip

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"usher/vrrp"
)

// stuckKernel counts what reaches the kernel; Warm stands still on the first
// processor, as a whole processor does.
type stuckKernel struct {
	Kernel
	warm  chan struct{} // the first urgent thread takes what is in it and waits for its end
	added chan Object
	said  chan Announcement
}

func (k stuckKernel) Prepare(string) error { return nil }
func (k stuckKernel) Add(o Object) error   { k.added <- o; return nil }
func (k stuckKernel) Remove(Object) error  { return nil }
func (k stuckKernel) Warm() {
	select {
	case <-k.warm:
		<-k.warm
	default:
	}
}
func (k stuckKernel) Announce(a Announcement) error { k.said <- a; return nil }

// TestUrgentThreads: one urgent thread stands still, and no other goroutine runs either: the other
// urgent thread adds the address and announces it. The worker that comes later finds it done.
func TestUrgentThreads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stuckKernel{warm: make(chan struct{}, 1), added: make(chan Object, 10), said: make(chan Announcement, 10)}
		m := New(Options{Kernel: k, Wakeups: []Wakeup{make(chanWakeup, 1), make(chanWakeup, 1)}})
		c := vrrp.Config{
			Name: "web", Interface: "eth0", Lease: 2 * time.Second, Accept: true, Announce: vrrp.Announce{Repeat: 1},
			Addresses: []vrrp.Address{{Prefix: netip.MustParsePrefix("192.0.2.1/32")}},
		}
		if err := m.Configure(c); err != nil {
			t.Fatal(err)
		}
		worker := m.workers["web"] // its goroutine is not started
		worker.open = true
		ctx, cancel := context.WithCancel(t.Context())
		for _, b := range m.o.Wakeups {
			go m.runUrgent(ctx, b)
		}
		k.warm <- struct{}{}
		m.Soon()
		synctest.Wait()
		m.Set("web", true)
		m.Soon()
		if o := <-k.added; o.Identity() != (Address{Link: "eth0", Prefix: netip.MustParsePrefix("192.0.2.1/32")}) {
			t.Errorf("added %v", o)
		}
		<-k.said
		if next, ended := worker.serve(); ended || next.IsZero() || len(k.added) > 0 || len(k.said) > 0 || !m.Held("web") {
			t.Errorf("served again: next %v, ended %v, %d added, %d announced", next, ended, len(k.added), len(k.said))
		}
		close(k.warm)
		cancel()
		m.Soon()
	})
}
