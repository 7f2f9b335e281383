package engine

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestInboxWithoutOwner: where nobody owns the state, who asks does what waits, in its order,
// and is nobody's owner after it.
func TestInboxWithoutOwner(t *testing.T) {
	i, done := newInbox(), []int(nil)
	i.tell(func() { done = append(done, 1) })
	i.tell(func() { done = append(done, 2) })
	if len(done) != 0 {
		t.Errorf("done without an owner: %v", done)
	}
	i.ask(func() { done = append(done, 3) })
	if !slices.Equal(done, []int{1, 2, 3}) {
		t.Errorf("done %v", done)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := i.own(ended); err != nil {
		t.Errorf("a state that nobody owns is not to be had: %v", err)
	}
	if err := i.own(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("two owners: %v", err)
	}
}

// TestInboxBesideACall: what is asked for while the owner makes a call that takes long is
// done meanwhile, and the owner goes on when the call is over.
func TestInboxBesideACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, begun := newInbox(), time.Now()
		if err := i.own(t.Context()); err != nil {
			t.Fatal(err)
		}
		asked, took := make(chan time.Duration), time.Duration(0)
		go func() {
			time.Sleep(time.Second)
			i.ask(func() { took = time.Since(begun) })
			asked <- time.Since(begun)
		}()
		i.beside(func() { time.Sleep(time.Minute) })
		if took != time.Second || <-asked != time.Second {
			t.Errorf("it was done after %s", took)
		}
		if all := time.Since(begun); all != time.Minute {
			t.Errorf("the call was over after %s", all)
		}
		i.disown()
	})
}

// TestInboxIsLate: who does not want to wait for longer does not, and is heard later.
func TestInboxIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, begun, heard := newInbox(), time.Now(), false
		if err := i.own(t.Context()); err != nil {
			t.Fatal(err)
		}
		i.askFor(time.Second, func() { heard = true })
		if took := time.Since(begun); took != time.Second || heard {
			t.Errorf("after %s, heard: %t", took, heard)
		}
		i.serve()
		if !heard {
			t.Error("not heard later")
		}
		i.disown()
	})
}
