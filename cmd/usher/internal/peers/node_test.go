package peers_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/cmd/usher/internal/peers"
	"usher/cmd/usher/internal/peers/share"
	"usher/director"
)

// TestGroup: with 2 and with 8 directors what is said on one is in force on all when the
// answer is given, which names them; a group that is cut in two comes together by itself,
// with what was said on either side; one that was away has all of it once it has started.
func TestGroup(t *testing.T) {
	for _, size := range []int{2, 8} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				all := w.all(size, testKey)
				defer func() { stop(all...) }()
				begin := time.Now()
				d := all[0].say(server(1), drain)
				if len(d.Have) != size-1 || len(d.Missing) > 0 || time.Since(begin) > 100*time.Millisecond {
					t.Errorf("after %v: %+v", time.Since(begin), d)
				}
				for _, o := range all {
					if o.mode(server(1)) != director.OverrideDrain {
						t.Errorf("%s does not have it", o.name)
					}
				}
				if want := "lb1 has it, too"; size == 2 && d.Text() != want {
					t.Errorf("%q, want %q", d.Text(), want)
				}

				left := func(a netip.Addr) bool { return a.As4()[3] <= byte(size/2) }
				w.net.Cut(func(a, b netip.Addr) bool { return left(a) != left(b) })
				begin = time.Now()
				d = all[0].say(server(2), drain)
				if len(d.Have) != size/2-1 || len(d.Missing) != size/2 || time.Since(begin) > 1100*time.Millisecond {
					t.Errorf("cut in two, after %v: %q", time.Since(begin), d.Text())
				}
				for _, o := range all {
					w.await(o.name+" misses the other half", func() bool { return len(o.up()) == size/2-1 })
				}
				d = all[0].say(server(3), drain)
				if !strings.Contains(d.Text(), "does not answer (since 20") {
					t.Errorf("cut in two for a while: %q", d.Text())
				}
				all[size-1].say(server(4), drain)
				all[size-1].say(server(3), director.Override{Mode: director.OverrideWeight, Weight: 5})
				w.net.Heal()
				w.together(all)
				time.Sleep(30 * time.Second)
				for _, o := range all {
					for i, mode := range map[int]director.OverrideMode{1: director.OverrideDrain, 2: director.OverrideDrain, 3: director.OverrideWeight, 4: director.OverrideDrain} {
						if o.mode(server(i)) != mode {
							t.Errorf("after the mend %s has %q for server %d, not %q", o.name, o.mode(server(i)), i, mode)
						}
					}
				}

				last := all[size-1]
				last.stop()
				time.Sleep(time.Second)
				d = all[0].say(server(5), drain)
				if !slices.ContainsFunc(d.Missing, func(m peers.Missing) bool { return m.Name == last.name && strings.HasPrefix(m.Why, "left") }) {
					t.Errorf("one has left: %q", d.Text())
				}
				all[0].say(server(1), director.Override{})
				last.run(config(size-1, testKey))
				begin = time.Now()
				if !last.learned() || time.Since(begin) > time.Second {
					t.Errorf("it has learned nothing after %v", time.Since(begin))
				}
				if last.mode(server(5)) != director.OverrideDrain || last.mode(server(1)) != director.OverrideNone {
					t.Errorf("it starts with %+v", last.force)
				}
			})
		})
	}
}

// TestAlone: where nobody answers a start goes on after two seconds, and at once where
// nobody is there; what is said then reaches those who come.
func TestAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.Cut(func(_, _ netip.Addr) bool { return true })
		begin := time.Now()
		a := w.start(0, config(0, testKey))
		defer stop(a)
		if a.learned() || time.Since(begin) != 2*time.Second || !a.node.View().Alone {
			t.Errorf("it goes on after %v: %+v", time.Since(begin), a.node.View())
		}
		w.net.Heal()
		d := a.say(server(1), drain)
		if want := "192.0.2.2:7946 does not have it yet: never heard; it gets it when it is heard again"; d.Text() != want {
			t.Errorf("%q, want %q", d.Text(), want)
		}
		begin = time.Now()
		b := w.start(1, config(1, testKey))
		defer stop(b)
		if !b.learned() || time.Since(begin) > time.Second || b.mode(server(1)) != director.OverrideDrain {
			t.Errorf("the second one learns after %v: %v", time.Since(begin), b.force)
		}
		time.Sleep(10 * time.Second)
		if v := a.node.View(); v.Alone || len(v.Members) != 1 || !v.Members[0].Up {
			t.Errorf("the first one still sees %+v", v)
		}
	})
}

// TestLocal: what is said for one director alone is told to none, outlives a restart, and
// gives way to what is said for all later.
func TestLocal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		all := w.all(2, testKey)
		defer func() { stop(all...) }()
		all[0].say(server(1), drain)
		if err := all[1].node.Local(server(1)); err != nil {
			t.Fatal(err)
		}
		all[1].force[server(1)] = director.Override{}
		all[1].stop()
		all[1].run(config(1, testKey))
		all[1].node.Again()
		time.Sleep(time.Minute)
		if all[1].mode(server(1)) != director.OverrideNone || all[0].mode(server(1)) != director.OverrideDrain {
			t.Errorf("%v, %v", all[0].force, all[1].force)
		}
		all[0].say(server(1), director.Override{Mode: director.OverrideDisable})
		if all[1].mode(server(1)) != director.OverrideDisable {
			t.Errorf("a later word for all: %v", all[1].force)
		}
	})
}

// TestSaidAtOnce: where a word of another director comes into force between one said here
// and its stamp, the one that wins is in force in the end.
func TestSaidAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		all := w.all(2, testKey)
		defer func() { stop(all...) }()
		mine := drain
		mine.Since = time.Now()
		all[1].say(server(1), director.Override{Mode: director.OverrideWeight, Weight: 5})
		if all[0].mode(server(1)) != director.OverrideWeight {
			t.Fatal("it has not come")
		}
		all[0].node.Say(t.Context(), server(1), mine)
		time.Sleep(time.Second)
		for _, o := range all {
			if got := o.mode(server(1)); got != director.OverrideDrain {
				t.Errorf("%s has %q", o.name, got)
			}
		}
	})
}

// TestSameName: a director with the name of another is told of, on the one that has it.
func TestSameName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		all := w.all(2, testKey)
		time.Sleep(time.Hour)
		began := time.Now()
		c := config(5, testKey)
		c.Name = "lb0"
		all = append(all, w.start(5, c))
		defer func() { stop(all...) }()
		time.Sleep(time.Minute)
		if v := all[0].node.View(); !strings.Contains(v.Conflict, "192.0.2.6:7946 has the name lb0, too") || v.ConflictSince.Sub(began) > 10*time.Second || v.ConflictSince.Before(began) {
			t.Errorf("conflict %q, %v after it began", v.Conflict, v.ConflictSince.Sub(began))
		}
		if d := all[1].say(server(1), drain); !slices.Contains(d.Have, "lb0") {
			t.Errorf("%q", d.Text())
		}
		if v := all[2].node.View(); !strings.Contains(v.Conflict, " has the name lb0, too") {
			t.Errorf("conflict %q", v.Conflict)
		}
		all[2].node.Apply(config(5, testKey), nil)
		if v := all[2].node.View(); v.Conflict != "" {
			t.Errorf("with a name of its own: %q", v.Conflict)
		}
	})
}

// TestDocument: what a director says of itself is known to all within two seconds.
func TestDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		all := w.all(3, testKey)
		defer func() { stop(all...) }()
		for round := range 3 {
			all[0].node.Describe(share.Document{Version: fmt.Sprint(round), Roles: []share.Role{{Instance: "web", State: "active", Since: time.Now()}}})
			time.Sleep(2 * time.Second)
			for _, o := range all[1:] {
				i := slices.IndexFunc(o.node.View().Members, func(m peers.Member) bool { return m.Name == "lb0" })
				if d := o.node.View().Members[i].Document; d == nil || d.Version != fmt.Sprint(round) || len(d.Roles) != 1 {
					t.Errorf("%s knows %+v", o.name, d)
				}
			}
		}
	})
}

// TestUnshared: whoever says something that others are never told of is not told that they
// get it later.
func TestUnshared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		said := map[share.Key]director.Override{}
		for i := range share.MaxEntries {
			k := server(i % 256)
			k.VirtualServer = fmt.Sprint("web", i/256)
			said[k] = director.Override{Mode: director.OverrideDrain, Since: time.Now()}
		}
		a := w.start(0, config(0, testKey))
		defer func() { stop(a) }()
		k := server(1)
		k.VirtualServer = "web\x00"
		if got, want := a.say(k, drain).Text(), "on this director alone: other directors do not take a virtual server or real server of such a name; say it on each of them"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		a.node.Apply(nil, nil)
		a.node.Apply(config(0, testKey), said)
		if got, want := a.say(server(1), drain).Text(), "on this director alone: 2048 overrides are shared, and there is no room for more; lift some by usher enable"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// TestDeaf: where something else listens at the address that is told once and shown, an
// order tells it, too, and the member is there as soon as the address is free.
func TestDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start(0, config(0, testKey))
		time.Sleep(time.Second) // it has the address
		c := config(0, testKey)
		c.Name = "other"
		b := w.start(0, c)
		defer func() { stop(a, b) }()
		time.Sleep(20 * time.Second)
		if v := b.node.View(); v.Error == "" || len(b.told) != 1 || b.told[0] != "the other directors are not heard: "+v.Error+"; it is tried again" {
			t.Errorf("shown %q, told %q", v.Error, b.told)
		}
		if got := b.say(server(1), drain).Text(); !strings.HasPrefix(got, "every other director does not have it yet: listen tcp ") {
			t.Errorf("%q", got)
		}
		a.stop()
		time.Sleep(10 * time.Second)
		if v := b.node.View(); v.Error != "" || time.Since(v.Since) > 10*time.Second {
			t.Errorf("with the address free: %q since %v", v.Error, v.Since)
		}
	})
}
