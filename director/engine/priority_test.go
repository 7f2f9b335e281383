package engine_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"usher/director"
	"usher/director/ipvs"
	"usher/director/ipvstest"
	"usher/healthcheck"
)

// other is a second pool, of one server without checks, that nothing is to touch.
func other() director.VirtualServer {
	vs := pool(1)
	vs.Name, vs.Keys, vs.Real[0].Checked = "other", []ipvs.ServiceKey{ipvstest.Key(1)}, false
	return vs
}

// What an operator said of a server holds while it is away, over a restart as well.
func TestOverrideHoldsOverAbsence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.apply(pool(2), other())
		w.health("web", 0, healthcheck.Up)
		w.health("web", 1, healthcheck.Up)
		for i, o := range []director.Override{{Mode: director.OverrideWeight, Weight: 7}, {Mode: director.OverrideDisable}} {
			if _, err := w.d.Override("web", server(i), o); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		w.weights(map[int]uint32{0: 7})
		all, none := pool(3), pool(3)
		none.Real = none.Real[2:]
		update := func(vs director.VirtualServer) {
			t.Helper()
			if err := w.d.ApplyOne(t.Context(), vs); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		update(none)
		w.weights(map[int]uint32{0: 7}) // until somebody can take its place
		w.health("web", 2, healthcheck.Up)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		w.weights(map[int]uint32{2: 1})
		update(all)
		w.health("web", 0, healthcheck.Up)
		w.health("web", 1, healthcheck.Up)
		w.weights(map[int]uint32{0: 7, 2: 1})
	})
}

// What an operator says of a server that is away is shown, holds when it is there, and can
// be lifted before; of a pool that is only written down, nothing is said of servers that it
// never had.
func TestOverrideOfAnAbsentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		vs := pool(1)
		vs.Discovered = true
		w.apply(vs, other())
		w.up(0)
		absent := func(want ...string) {
			t.Helper()
			synctest.Wait()
			var got []string
			for _, a := range w.d.Status()[0].Absent {
				got = append(got, a.Address.String()+" "+string(a.Override.Mode))
			}
			if !slices.Equal(got, want) {
				t.Errorf("absent %q, expected %q", got, want)
			}
		}
		say := func(vs string, n int, o director.Override) (director.Effect, error) {
			return w.d.Override(vs, server(n), o)
		}
		for n, o := range map[int]director.Override{1: {Mode: director.OverrideDisable}, 2: {Mode: director.OverrideWeight, Weight: 7, Until: time.Now().Add(time.Hour)}} {
			if e, err := say("web", n, o); err != nil || !e.Absent {
				t.Errorf("%+v, %v", e, err)
			}
		}
		absent("10.0.0.2:80 disable", "10.0.0.3:80 weight")
		if _, err := say("other", 5, director.Override{Mode: director.OverrideDisable}); err == nil {
			t.Error("a server that a written pool never had")
		}
		all := pool(4)
		all.Discovered = true
		if err := w.d.ApplyOne(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		absent()
		w.up(1, 2, 3)
		w.weights(map[int]uint32{0: 1, 2: 7, 3: 1})
		if err := w.d.ApplyOne(t.Context(), vs); err != nil {
			t.Fatal(err)
		}
		absent("10.0.0.2:80 disable", "10.0.0.3:80 weight")
		if e, err := say("web", 1, director.Override{}); err != nil || !e.Absent || e.Lifted.Mode != director.OverrideDisable {
			t.Errorf("%+v, %v", e, err)
		}
		time.Sleep(2 * time.Hour) // the other one ends by itself
		absent()
		if err := w.d.ApplyOne(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		w.up(1, 2, 3)
		w.weights(map[int]uint32{0: 1, 1: 1, 2: 1, 3: 1})
	})
}

// Servers of the second priority get connections only while none of the first is up, and
// those that they then have live on when the first is back.
func TestPriorities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		vs := pool(4)
		vs.Real[2].Priority, vs.Real[3].Priority = 1, 2
		w.apply(vs)
		for i := range 4 {
			w.health("web", i, healthcheck.Up)
		}
		w.weights(map[int]uint32{0: 1, 1: 1, 2: 0, 3: 0})
		if reason := w.d.Status()[0].Real[2].Reason; reason != "stands by: servers of a priority before its own are up" {
			t.Errorf("reason %q", reason)
		}
		w.health("web", 0, healthcheck.Down)
		w.weights(map[int]uint32{1: 1, 2: 0, 3: 0})
		if _, err := w.d.Override("web", server(1), director.Override{Mode: director.OverrideDisable}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.weights(map[int]uint32{2: 1, 3: 0})
		w.health("web", 2, healthcheck.Down)
		w.weights(map[int]uint32{3: 1})
		w.health("web", 0, healthcheck.Up)
		w.weights(map[int]uint32{0: 1, 3: 0})
		if s := w.d.Status()[0]; !s.Up || slices.ContainsFunc(s.Real, func(r director.RealServerStatus) bool { return r.EffectiveWeight > 0 && r.Address != server(0) }) {
			t.Errorf("%+v", s)
		}
	})
}
