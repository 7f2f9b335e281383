package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/director"
)

// TestHear: what was said on another director holds here, before the first service gets a
// weight, for a server that comes later, over a restart, until it is lifted or ends; what
// is so already changes nothing.
func TestHear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer func() { w.halt() }()
		hear := func(n int, o director.Override) {
			t.Helper()
			o.By, o.Since = "root on lb2", time.Now()
			if err := w.d.Hear([]director.Said{{VirtualServer: "web", RealServer: server(n), Override: o}}); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		hear(0, director.Override{Mode: director.OverrideDrain})
		hear(2, director.Override{Mode: director.OverrideDisable})
		w.apply(pool(2))
		w.up(0, 1)
		w.weights(map[int]uint32{1: 1})
		if got := w.d.Status()[0].Real[0]; got.Override == nil || got.Override.By != "root on lb2" || !strings.Contains(got.Reason, "drained by root on lb2") {
			t.Errorf("status %+v", got)
		}
		said := w.count(director.EventOverride)
		hear(0, director.Override{Mode: director.OverrideDrain})
		if got := w.count(director.EventOverride); said != 2 || got != said {
			t.Errorf("%d events of two words, then %d", said, got)
		}
		w.apply(pool(3))
		w.up(2)
		w.weights(map[int]uint32{1: 1})
		w.halt()
		w.start()
		w.apply(pool(3))
		w.up(0, 1, 2)
		w.weights(map[int]uint32{1: 1})
		all, err := w.d.Overrides()
		if err != nil || len(all) != 2 {
			t.Errorf("overrides %+v, %v", all, err)
		}
		hear(0, director.Override{})
		hear(2, director.Override{Mode: director.OverrideWeight, Weight: 9, Until: time.Now().Add(time.Minute)})
		w.weights(map[int]uint32{0: 1, 1: 1, 2: 9})
		time.Sleep(2 * time.Minute)
		w.weights(map[int]uint32{0: 1, 1: 1, 2: 1})
		if err := w.d.Hear([]director.Said{{VirtualServer: "web", RealServer: server(0), Override: director.Override{Mode: director.OverrideWeight, Weight: 70000}}}); err == nil {
			t.Error("a weight that there is not is taken")
		}
	})
}

// TestHearMany: a thousand words are written to the state folder at once, and not each.
func TestHearMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.apply(pool(2))
		var all []director.Said
		for i := range 1000 {
			all = append(all, director.Said{VirtualServer: fmt.Sprint("elsewhere", i), RealServer: server(0), Override: director.Override{Mode: director.OverrideDrain, Since: time.Now()}})
		}
		if err := w.d.Hear(all); err != nil {
			t.Fatal(err)
		}
		if got, err := w.d.Overrides(); len(got) != 1000 || err != nil {
			t.Errorf("%d are kept, %v", len(got), err)
		}
	})
}
