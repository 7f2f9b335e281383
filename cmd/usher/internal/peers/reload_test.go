package peers_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"usher/cmd/usher/internal/peers"
	"usher/cmd/usher/internal/peers/share"
	"usher/director"
)

// TestRotation: directors get a new key one after the other; meanwhile all that is said is
// heard by all at once, and what has the old key only is a stranger at the end.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		all := w.all(3, testKey)
		defer func() { stop(all...) }()
		n := 0
		heard := func(after string) {
			t.Helper()
			for _, from := range all {
				n++
				if d := from.say(server(n), drain); len(d.Have) != 2 || len(d.Missing) > 0 {
					t.Errorf("%s, said by %s: %q", after, from.name, d.Text())
				}
			}
		}
		apply := func(i int, c *peers.Config) {
			t.Helper()
			if err := all[i].node.Apply(c, nil); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		heard("before")
		for i := range all {
			c := config(i, otherKey)
			c.OldKey = testKey
			apply(i, c)
			heard(fmt.Sprintf("%d have the new key", i+1))
			time.Sleep(20 * time.Second)
			heard(fmt.Sprintf("%d have the new key for a while", i+1))
		}
		for i := range all {
			apply(i, config(i, otherKey))
			heard(fmt.Sprintf("%d have the new key alone", i+1))
		}
		time.Sleep(time.Minute)
		heard("after")
		for _, o := range all {
			if v := o.node.View(); len(v.Refused) > 0 {
				t.Errorf("%s refused %v", o.name, v.Refused)
			}
		}
		before := all[0].node.View().Refused["key"]
		stranger := w.start(9, config(9, testKey))
		defer stop(stranger)
		time.Sleep(10 * time.Second)
		if v := all[0].node.View(); v.Refused["key"] == before || len(v.Members) != 2 || v.LastRefused == nil || v.LastRefused.From.Addr() != stranger.address.Addr() {
			t.Errorf("one with the old key: %+v", v)
		}
		if up := stranger.up(); len(up) > 0 {
			t.Errorf("it sees %v", up)
		}
	})
}

// TestReload: a member moves to another address, takes another name, leaves, and is back.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		all := w.all(2, testKey)
		defer func() { stop(all...) }()
		all[0].say(server(1), drain)
		see := func(what, name string, up bool) {
			t.Helper()
			time.Sleep(10 * time.Second)
			for _, m := range all[0].node.View().Members {
				if m.Name == name && m.Up == up {
					return
				}
			}
			t.Errorf("%s: %+v", what, all[0].node.View().Members)
		}
		c := config(1, testKey)
		c.Listen = address(5)
		all[1].node.Apply(c, nil)
		see("another address", "lb1", true)
		if d := all[0].say(server(2), drain); len(d.Have) != 1 {
			t.Errorf("at another address: %q", d.Text())
		}
		c = config(5, testKey)
		c.Name = "other"
		all[1].node.Apply(c, nil)
		see("another name", "other", true)
		if v := all[0].node.View(); slices.ContainsFunc(v.Members, func(m peers.Member) bool { return m.Name == "lb1" }) || !all[0].heard("director lb1 at 192.0.2.6:7946 has left") {
			t.Errorf("the name before is missed: %+v, %q", v.Members, all[0].told)
		}
		if d := all[1].say(server(1), director.Override{}); len(d.Have) != 1 || all[0].mode(server(1)) != director.OverrideNone {
			t.Errorf("with another name: %q", d.Text())
		}
		all[1].node.Apply(nil, nil)
		see("no group", "other", false)
		if !all[0].heard("director other at 192.0.2.6:7946 has left") {
			t.Errorf("it leaves unsaid: %q", all[0].told)
		}
		if d := all[1].say(server(7), drain); d.Text() != "" || all[1].node.View().On {
			t.Errorf("in no group: %q", d.Text())
		}
		all[1].node.Apply(config(1, testKey), map[share.Key]director.Override{server(7): {Mode: director.OverrideDrain, Since: time.Now()}})
		see("back", "lb1", true)
		if all[0].mode(server(7)) != director.OverrideDrain || all[1].mode(server(2)) != director.OverrideDrain {
			t.Errorf("what was said meanwhile is not shared: %v, %v", all[0].force, all[1].force)
		}
	})
}

// TestRenamed: a member that takes another name while much is still to be told to it is
// told all of it.
func TestRenamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		said := map[share.Key]director.Override{}
		for i := range 600 {
			k := server(i % 256)
			k.VirtualServer = fmt.Sprint("web", i/256)
			said[k] = director.Override{Mode: director.OverrideDrain, Since: time.Now()}
		}
		all := []*one{w.start(0, config(0, testKey))}
		defer func() { stop(all...) }()
		all[0].node.Apply(nil, nil)
		all[0].node.Apply(config(0, testKey), said)
		b := w.start(1, config(1, testKey))
		all = append(all, b)
		count := func() int {
			b.mu.Lock()
			defer b.mu.Unlock()
			return len(b.force)
		}
		for count() == 0 {
			time.Sleep(time.Millisecond)
		}
		if n := count(); n == len(said) {
			t.Fatal("all of it was told at once")
		}
		c := config(1, testKey)
		c.Name = "other"
		b.node.Apply(c, nil)
		w.await("all is told", func() bool { return count() == len(said) })
	})
}
