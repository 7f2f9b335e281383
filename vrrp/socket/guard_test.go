package socket

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/vrrp"
)

// TestGuard: the first thread stands still just before it is to take over. The
// second one takes over and advertises in its stead.
func TestGuard(t *testing.T) {
	l := newLab(t)
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	l.soon = func() { <-stuck }
	l.apply(config())
	l.await(vrrp.Active)
	if !<-l.holds {
		t.Error("active without its addresses")
	}
	for range 4 {
		if f := l.sniff(); f.advert.Priority != 100 {
			t.Errorf("sent %+v", f.advert)
		}
	}
	// It hears, too.
	l.inject("192.0.2.7", peerMAC, advert(config(), false, 150))
	l.await(vrrp.Backup)
}

// TestGuard_Nearer: the second thread sleeps for a deadline half a minute away, which
// comes near by what is heard, and the first thread stands still then.
func TestGuard_Nearer(t *testing.T) {
	l := newLab(t)
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	l.soon = func() { <-stuck }
	c := config()
	c.Interval = 10 * time.Second
	l.apply(c)
	l.await(vrrp.Backup)
	l.inject("192.0.2.7", peerMAC, advert(config(), false, 150))
	l.await(vrrp.Active)
}

// TestHalves: no processor is in both halves, none is left out.
func TestHalves(t *testing.T) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	both := halves()
	first, second := both[0], both[1]
	if all.Count() == 1 {
		if first != all || second != all {
			t.Errorf("%v and %v of one processor", first, second)
		}
		return
	}
	for cpu := range len(all) * 64 {
		if in := first.IsSet(cpu) || second.IsSet(cpu); in != all.IsSet(cpu) || first.IsSet(cpu) && second.IsSet(cpu) {
			t.Errorf("processor %d: first %v, second %v", cpu, first.IsSet(cpu), second.IsSet(cpu))
		}
	}
	if d := second.Count() - first.Count(); d < 0 || d > 1 {
		t.Errorf("%d and %d processors", first.Count(), second.Count())
	}
}
