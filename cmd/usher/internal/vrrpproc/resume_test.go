package vrrpproc

import (
	"testing"
	"testing/synctest"
	"time"

	"usher/vrrp"
)

// cut ends the connection to the present child, as its death does. This one, which is
// no process, resigns by itself then, where the guard resigns for a real one.
func (w *world) cut() {
	w.mu.Lock()
	c := w.conns[len(w.conns)-1]
	w.mu.Unlock()
	_ = c.Close()
	synctest.Wait()
}

// TestChildIsResumed: a child that takes the place of one that died while active waits
// for Skew_Time, as after any resignation, where nobody takes over meanwhile. The
// startup delay is not another time.
func TestChildIsResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := desired("web")
		d.Instances[0].StartupDelay = 20 * time.Second
		if err := w.Apply(d); err != nil {
			t.Fatal(err)
		}
		pass(30 * time.Second)
		if s := w.state("web"); s != vrrp.Active {
			t.Fatalf("web is %v", s)
		}
		w.cut()
		skew := time.Duration(256-100) * time.Second / 256
		pass(skew - 10*time.Millisecond)
		if w.kernel.Has(virtualAddress) {
			t.Fatal("the address is back before Skew_Time")
		}
		pass(20 * time.Millisecond)
		if !w.kernel.Has(virtualAddress) {
			t.Error("the address is not back after Skew_Time")
		}
	})
}

// TestSuccessorIsHeard: with preempt off, a child that takes the place of one that died
// leaves the addresses to the peer that has taken over.
func TestSuccessorIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := desired("web")
		d.Instances[0].Preempt = false
		if err := w.Apply(d); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		w.cut()
		w.hear(t, d.Instances[0], 90)
		pass(2 * time.Second)
		if s := w.state("web"); s != vrrp.Backup {
			t.Errorf("web is %v", s)
		}
	})
}
