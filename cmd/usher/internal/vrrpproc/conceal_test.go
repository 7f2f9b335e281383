package vrrpproc

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestSecretsOfTheChild: the log of the child is a process of its own, and is told what it
// may not show with each configuration, and again when another child takes over.
func TestSecretsOfTheChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		told := func(when string) {
			t.Helper()
			synctest.Wait()
			select {
			case values := <-w.hidden:
				if !slices.Equal(values, []string{"canary"}) {
					t.Errorf("%s: %q", when, values)
				}
			default:
				t.Errorf("%s: nothing is concealed", when)
			}
		}
		if err := w.Apply(desired("web")); err != nil {
			t.Fatal(err)
		}
		told("the first configuration")
		if err := w.Apply(desired("web", "mail")); err != nil {
			t.Fatal(err)
		}
		told("a reload")
		w.mu.Lock()
		conn := w.conns[0]
		w.mu.Unlock()
		_ = conn.Close()
		pass(10 * time.Second)
		told("another child")
	})
}
