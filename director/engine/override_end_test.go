package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/director"
	"usher/director/engine"
)

// lifted are the reasons of the events that tell of an override's end.
func (w *world) lifted() (reasons []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Kind == director.EventOverride && e.To == "" {
			reasons = append(reasons, e.Reason)
		}
	}
	return reasons
}

func (w *world) again() {
	w.start()
	w.apply(pool(2))
	w.up(0, 1)
}

// TestOverrideEnds: an override with an end is lifted at it and not before, whatever
// happens to usher and to the clock meanwhile, and its end is told once.
func TestOverrideEnds(t *testing.T) {
	for name, meanwhile := range map[string]func(t *testing.T, w *world){
		"usher runs": func(_ *testing.T, w *world) {
			time.Sleep(2*time.Hour - time.Second)
			w.weights(map[int]uint32{1: 1})
		},
		"a restart": func(_ *testing.T, w *world) {
			w.halt()
			time.Sleep(time.Hour)
			w.again()
			w.weights(map[int]uint32{1: 1})
			time.Sleep(time.Hour - time.Second)
			w.weights(map[int]uint32{1: 1})
		},
		"usher is down at the end": func(_ *testing.T, w *world) {
			w.halt()
			time.Sleep(3 * time.Hour)
			w.again()
		},
		"the clock is set back ten hours while usher is down": func(t *testing.T, w *world) {
			w.halt()
			o := time.Now().Add(10 * time.Hour)
			w.rewrite(t, time.Now(), o)
			w.rewrite(t, time.Now().Add(2*time.Hour), o.Add(2*time.Hour))
			w.again()
			w.weights(map[int]uint32{1: 1})
			time.Sleep(2*time.Hour - time.Second)
			w.weights(map[int]uint32{1: 1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				defer func() { w.halt() }()
				w.apply(pool(2))
				w.up(0, 1)
				now := time.Now()
				w.override(0, director.Override{Mode: director.OverrideDisable, By: "ann", Since: now, Until: now.Add(2 * time.Hour), Reason: "new disk"})
				if s := w.d.Status()[0].Real[0]; s.Override == nil || s.Override.Reason != "new disk" || !strings.HasSuffix(s.Reason, ": new disk") {
					t.Errorf("status %+v", s)
				}
				meanwhile(t, w)
				time.Sleep(2 * time.Second)
				w.weights(map[int]uint32{0: 1, 1: 1})
				if s := w.d.Status()[0].Real[0]; s.Override != nil {
					t.Errorf("status %+v", s)
				}
				if got := w.lifted(); len(got) != 1 || !strings.HasPrefix(got[0], "its time is over: disabled by ann until ") || !strings.HasSuffix(got[0], ": new disk") {
					t.Errorf("told %q", got)
				}
				if data, err := os.ReadFile(filepath.Join(w.state, "director.json")); err != nil || strings.Contains(string(data), "disable") {
					t.Errorf("remembered %s, %v", data, err)
				}
			})
		})
	}
}

// rewrite puts another time in the place of one in the state file.
func (w *world) rewrite(t *testing.T, old, other time.Time) {
	t.Helper()
	path := filepath.Join(w.state, "director.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := func(at time.Time) string { return at.Format(time.RFC3339Nano) }
	if !strings.Contains(string(data), text(old)) {
		t.Fatalf("%s is not in %s", text(old), data)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(data), text(old), text(other))), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOverrideReplaced: the end of an override ends no other one.
func TestOverrideReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.apply(pool(2))
		w.up(0, 1)
		w.override(0, director.Override{Mode: director.OverrideDisable, Until: time.Now().Add(time.Hour)})
		w.override(0, director.Override{Mode: director.OverrideWeight, Weight: 7})
		time.Sleep(2 * time.Hour)
		w.weights(map[int]uint32{0: 7, 1: 1})
		if got := w.lifted(); len(got) != 0 {
			t.Errorf("told %q", got)
		}
		now := time.Now()
		if _, err := w.d.Override("web", server(0), director.Override{Mode: director.OverrideDrain, Since: now, Until: now}); err == nil {
			t.Error("an end that is past was taken")
		}
	})
}

// TestPlanHeedsEnds: a plan goes by an override that is in force and by none that is over,
// and changes neither.
func TestPlanHeedsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.apply(pool(2))
		w.up(0, 1)
		w.override(0, director.Override{Mode: director.OverrideDisable, Until: time.Now().Add(time.Hour)})
		w.halt()
		path := filepath.Join(w.state, "director.json")
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"", "+ real_server 10.0.0.1:80"} {
			d := engine.New(engine.Options{Kernel: w.k, State: w.state})
			plan, err := d.Plan(context.Background(), []director.VirtualServer{pool(2)})
			if err != nil || strings.Contains(plan.String(), "10.0.0.1:80") != (want != "") || !strings.Contains(plan.String(), want) {
				t.Errorf("%v, %v; want %q", plan, err, want)
			}
			time.Sleep(2 * time.Hour)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
			t.Errorf("the plan has changed the state: %s, %v", after, err)
		}
	})
}
