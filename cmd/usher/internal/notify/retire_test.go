package notify

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"usher/conf"
	"usher/vrrp"
)

// routed is a running notifier with one way out for the instance "web".
func routed(t *testing.T, f *fake) *Notifier {
	t.Helper()
	n := New(Options{Run: program})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
	n.mu.Lock()
	n.alerts[object{Instance, "web"}] = []route{{way: f, on: []string{"active", "backup"}, lane: "web fake"}}
	n.mu.Unlock()
	n.VRRP(state("web", vrrp.Backup, vrrp.Active))
	return n
}

func lanes(n *Notifier) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.lanes)
}

// TestLaneEndsWithItsConfiguration: a configuration that changes for years leaves
// neither lanes nor goroutines behind, and what waited is told before.
func TestLaneEndsWithItsConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{takes: time.Second}
		n := routed(t, f)
		if err := n.Apply(configured(conf.Alerts{}, conf.Alerts{}, conf.Alerts{})); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := f.heard(); !slices.Equal(got, []string{"active"}) || lanes(n) != 0 {
			t.Errorf("told %v, %d lanes are left", got, lanes(n))
		}
	})
}

// TestDeadWayOutIsGivenUp: a way out that answers no more and is taken out of the
// configuration is not tried for ever.
func TestDeadWayOutIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{more: 2, failures: slices.Repeat([]error{errors.New("no route to host")}, 1000)}
		n := routed(t, f)
		time.Sleep(10 * time.Minute)
		if lanes(n) != 1 {
			t.Fatalf("%d lanes: the last state was given up while it is wanted", lanes(n))
		}
		if err := n.Apply(configured(conf.Alerts{}, conf.Alerts{}, conf.Alerts{})); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if lanes(n) != 0 {
			t.Error("it is still being tried")
		}
	})
}
