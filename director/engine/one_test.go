package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// two are the virtual servers "web" and "other", of two servers each, all healthy.
func (w *world) two() (web, other director.VirtualServer) {
	web, other = pool(2), pool(2)
	other.Name, other.Keys = "other", []ipvs.ServiceKey{ipvstest.Key(1)}
	w.apply(web, other)
	for n := range 2 {
		w.health("web", n, healthcheck.Up)
		w.health("other", n, healthcheck.Up)
	}
	return web, other
}

// TestApplyOne: the servers of one virtual server change, and nothing else is looked at.
func TestApplyOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer func() { w.halt() }()
		web, other := w.two()
		w.k.SetCounters(ipvstest.Key(0), ipvstest.Dest(0), ipvs.Counters{Active: 1})
		before, passes := len(w.k.History()), w.d.Stats().Passes
		web = pool(3)
		web.Real = web.Real[1:]
		if err := w.d.ApplyOne(t.Context(), web); err != nil {
			t.Fatal(err)
		}
		w.weights(map[int]uint32{0: 0, 1: 1})
		w.health("web", 2, healthcheck.Up)
		w.weights(map[int]uint32{0: 0, 1: 1, 2: 1})
		for _, op := range w.k.History()[before:] {
			if op.Key != ipvstest.Key(0) {
				t.Errorf("done elsewhere: %v", op)
			}
		}
		if n := w.d.Stats().Passes; n != passes {
			t.Errorf("the whole table was compared %d times", n-passes)
		}
		w.k.SetCounters(ipvstest.Key(0), ipvstest.Dest(0), ipvs.Counters{})
		time.Sleep(2 * time.Second)
		w.weights(map[int]uint32{1: 1, 2: 1})
		if plan, err := w.d.Plan(t.Context(), []director.VirtualServer{web, other}); err != nil || !plan.Empty() {
			t.Errorf("left to do, %v:\n%s", err, plan)
		}
		// What a whole configuration says later holds, and what is said of a server.
		w.override(2, director.Override{Mode: director.OverrideWeight, Weight: 5})
		w.apply(pool(3), other)
		w.health("web", 0, healthcheck.Up)
		w.weights(map[int]uint32{0: 1, 1: 1, 2: 5})
	})
}

// TestApplyOneRefused: what is wrong is said, and nothing has changed.
func TestApplyOneRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.two()
		before := len(w.k.History())
		for want, spoil := range map[string]func(*director.VirtualServer){
			`no virtual server "nobody"`:      func(vs *director.VirtualServer) { vs.Name = "nobody" },
			`"best" is no scheduler`:          func(vs *director.VirtualServer) { vs.Service.Scheduler = "best" },
			`that of virtual server "other"`:  func(vs *director.VirtualServer) { vs.Keys = append(vs.Keys, ipvstest.Key(1)) },
			"all weights together are 2":      func(vs *director.VirtualServer) { vs.Quorum = 3 },
			"of another address family than ": func(vs *director.VirtualServer) { vs.Keys = []ipvs.ServiceKey{ipvs.MarkKey(9, true)} },
		} {
			vs := pool(2)
			spoil(&vs)
			if err := w.d.ApplyOne(t.Context(), vs); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("said %v, want %s", err, want)
			}
		}
		if after := w.k.History(); len(after) != before {
			t.Errorf("done: %v", after[before:])
		}
	})
}

// TestApplyOneOwnsWhatItBrings: services for probes that come with a server are usher's, go
// with it, and go with usher.
func TestApplyOneOwnsWhatItBrings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.two()
		web := pool(2)
		marks := func() (found []uint32) {
			for key := range w.k.Table() {
				if key.Mark != 0 {
					found = append(found, key.Mark)
				}
			}
			slices.Sort(found)
			return found
		}
		// Killed at any moment, usher has written down before what is its own.
		w.k.Watch(func(table ipvs.Table) {
			known, err := os.ReadFile(filepath.Join(w.state, "director.json"))
			for key := range table {
				if err != nil || key.Mark != 0 && !strings.Contains(string(known), fmt.Sprintf(`"fwmark":%d`, key.Mark)) {
					t.Errorf("%s is in the kernel, and remembered is %s, %v", key, known, err)
				}
			}
		})
		for _, want := range [][]uint32{{0x101, 0x102}, {0x102, 0x103}} {
			for i, mark := range want {
				web.Real[i].ProbeMark = mark
			}
			if err := w.d.ApplyOne(t.Context(), web); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Second) // the one that is gone has no connections
			if got := marks(); !slices.Equal(got, want) {
				t.Errorf("services of probes %#x, want %#x", got, want)
			}
		}
		w.halt()
		w.start() // the next one knows by the state folder whose they are
		w.halt()
		if err := w.d.Stop(context.Background(), false); err != nil {
			t.Error(err)
		}
		if left := w.k.Table(); len(left) != 0 {
			t.Errorf("left %v", left)
		}
	})
}

// TestApplyOneOnTheWay: a change of one virtual server that comes while a whole configuration
// waits for the kernel is part of it.
func TestApplyOneOnTheWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.k.Latency = time.Second
		applied := make(chan error, 2)
		go func() { applied <- w.d.Apply(t.Context(), []director.VirtualServer{pool(1)}) }()
		time.Sleep(500 * time.Millisecond) // the table is being read
		go func() {
			vs := pool(1)
			vs.Real[0].Address, vs.Real[0].Checked = server(4), false
			applied <- w.d.ApplyOne(t.Context(), vs)
		}()
		for range 2 {
			if err := <-applied; err != nil {
				t.Error(err)
			}
		}
		w.weights(map[int]uint32{4: 1})
	})
}

// TestApplyOneBesideDrift: what somebody else did to the table is found by the kernel's
// answer, and the change is there when ApplyOne returns.
func TestApplyOneBesideDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.two()
		w.k.Flush()
		web := pool(2)
		web.Real[1].Weight = 9
		if err := w.d.ApplyOne(t.Context(), web); err != nil {
			t.Error(err)
		}
		w.weights(map[int]uint32{0: 1, 1: 9})
		if len(w.k.Table()) != 2 {
			t.Errorf("the table is %v", w.k.Table())
		}
	})
}

// TestApplyOneBringsItsNeeds: the rules and settings that the new servers need come with
// them.
func TestApplyOneBringsItsNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := &rules{}, newSysctls()
		vs := pool(1)
		vs.Real = nil
		settled(t, engine.Options{Kernel: ipvstest.New(), Sysctl: s, SNAT: r, State: t.TempDir()}, director.Settings{ManageSysctls: true}, func(d *engine.Engine, err error) {
			if err != nil {
				t.Error(err)
			}
			if on, _ := s.Get("net.ipv4.ip_forward"); on != "0" || r.len() != 0 {
				t.Errorf("ip_forward %s, %d rules, without servers", on, r.len())
			}
			full := pool(1)
			full.Real[0].Forward = director.FullNAT
			if err := d.ApplyOne(t.Context(), full); err != nil {
				t.Error(err)
			}
			for _, name := range []string{"net.ipv4.ip_forward", "net.ipv4.vs.conntrack"} {
				if on, _ := s.Get(name); on != "1" {
					t.Errorf("%s is %s", name, on)
				}
			}
			if r.len() != 1 {
				t.Errorf("%d rules", r.len())
			}
		}, vs)
	})
}
