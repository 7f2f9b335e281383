package engine_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/director"
	"usher/director/engine"
	"usher/director/ipvs"
	"usher/director/ipvstest"
	"usher/healthcheck"
)

// override sets one and lets the director act.
func (w *world) override(n int, o director.Override) director.Effect {
	w.t.Helper()
	e, err := w.d.Override("web", server(n), o)
	if err != nil {
		w.t.Error(err)
	}
	synctest.Wait()
	return e
}

// TestOverrideEffect: who gives an order is told what it does before it is done.
func TestOverrideEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.apply(pool(3))
		w.up(0, 1)
		w.health("web", 2, healthcheck.Down)
		w.k.SetCounters(ipvstest.Key(0), ipvstest.Dest(0), ipvs.Counters{Active: 12, Inactive: 4})
		told := func(e director.Effect) string {
			left := time.Duration(0)
			if !e.Deadline.IsZero() {
				left = time.Until(e.Deadline)
			}
			return fmt.Sprintf("%s, %d -> %d %s, %d, %v", e.Lifted.Mode, e.Before, e.After, e.State, e.Connections, left)
		}
		for _, step := range []struct {
			n    int
			o    director.Override
			want string
		}{
			{0, director.Override{Mode: director.OverrideWeight, Weight: 5}, ", 1 -> 5 up, 12, 0s"},
			{0, director.Override{Mode: director.OverrideDrain, By: "ann"}, "weight, 5 -> 0 draining, 12, 1m0s"},
			{0, director.Override{Mode: director.OverrideDisable}, "drain, 0 -> 0 disabled, 12, 0s"},
			{0, director.Override{}, "disable, 0 -> 1 up, 12, 0s"},
			{0, director.Override{}, ", 1 -> 1 up, 12, 0s"},
			{2, director.Override{Mode: director.OverrideWeight, Weight: 5}, ", 0 -> 0 down, 0, 0s"},
		} {
			if got := told(w.override(step.n, step.o)); got != step.want {
				t.Errorf("%+v: %q; want %q", step.o, got, step.want)
			}
		}
	})
}

// TestOverrideIsSaidOnce: who did what is in a server's reason one time.
func TestOverrideIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.apply(pool(2))
		w.up(0, 1)
		for mode, want := range map[director.OverrideMode]string{
			director.OverrideDrain:   "drained by ann; out when its connections are gone, at the latest ",
			director.OverrideDisable: "disabled by ann",
			director.OverrideWeight:  "weight 7, set by ann; test",
			director.OverrideNone:    "test",
		} {
			w.k.SetCounters(ipvstest.Key(0), ipvstest.Dest(0), ipvs.Counters{Active: 3})
			w.override(0, director.Override{Mode: mode, Weight: 7, By: "ann"})
			if got := w.d.Status()[0].Real[0].Reason; !strings.HasPrefix(got, want) || strings.Count(got, "ann") != strings.Count(want, "ann") {
				t.Errorf("%s: %q; want %q", mode, got, want)
			}
			w.override(0, director.Override{})
		}
	})
}

// TestOverrideOnAFullDisk: what cannot be written is in force all the same, and it is
// told; once there is room, a restart finds it.
func TestOverrideOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer func() { w.halt() }()
		w.apply(pool(2))
		w.up(0, 1)
		// As a full disk does it: the folder is there, a new file cannot be.
		state := w.state
		if err := os.Rename(state, state+".away"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(state, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if e := w.override(0, director.Override{Mode: director.OverrideDisable}); e.Unsaved == nil || e.State != director.ServerDisabled {
			t.Errorf("effect %+v", e)
		}
		w.weights(map[int]uint32{1: 1})
		if list := w.d.Warnings(); len(list) != 1 || !strings.Contains(list[0].Text, "what operators said of servers is lost") {
			t.Errorf("warnings %+v", list)
		}
		if err := os.Remove(state); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(state+".away", state); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * engine.DefaultResync)
		if list := w.d.Warnings(); len(list) != 0 {
			t.Errorf("the folder can be written again, and warnings %+v", list)
		}
		if data, err := os.ReadFile(filepath.Join(state, "director.json")); err != nil || !strings.Contains(string(data), `"disable"`) {
			t.Errorf("remembered %s, %v", data, err)
		}
		if e := w.override(0, director.Override{}); e.Unsaved != nil {
			t.Errorf("effect %+v", e)
		}
	})
}

// TestQuorumIsTold: in words of what clients meet.
func TestQuorumIsTold(t *testing.T) {
	for name, tc := range map[string]struct {
		quorum int
		sorry  bool
		up     []int
		out    int // servers that are disabled, of those that are up
		want   string
	}{
		"nobody":                {1, false, nil, 0, "0 of 2 servers up: clients are refused"},
		"the sorry server":      {1, true, nil, 0, "0 of 2 servers up: the sorry server 10.0.0.10:80 answers"},
		"too few":               {2, false, []int{0}, 0, "1 of 2 servers up, weight 1, quorum 2: those go on, without their quorum"},
		"too few and a sorry":   {2, true, []int{0}, 0, "1 of 2 servers up, weight 1, quorum 2: the sorry server 10.0.0.10:80 answers"},
		"all":                   {1, false, []int{0, 1}, 0, "2 of 2 servers up"},
		"all but one taken out": {1, false, []int{0, 1}, 1, "1 of 2 servers up"},
		"all taken out":         {1, false, []int{0, 1}, 2, "0 of 2 servers up, 2 taken out by operators (usher enable puts back): clients are refused"},
		"all, a higher quorum":  {2, false, []int{0, 1}, 0, "2 of 2 servers up, weight 2, quorum 2"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				defer w.halt()
				vs := pool(2)
				vs.Quorum = tc.quorum
				if tc.sorry {
					vs.Sorry = []director.RealServer{{Address: server(9), Weight: 1, Forward: director.NAT}}
				}
				w.apply(vs)
				w.up(0, 1)
				w.health("web", 0, healthcheck.Down)
				w.health("web", 1, healthcheck.Down)
				w.up(tc.up...)
				for i := range tc.out {
					w.override(i, director.Override{Mode: director.OverrideDisable, By: "ann", Since: time.Now()})
				}
				if _, got, _ := w.d.Quorum("web"); got != tc.want {
					t.Errorf("%q; want %q", got, tc.want)
				}
			})
		})
	}
}
