package engine_test

import (
	"context"
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

func TestPlanSaysWhatApplyWillDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		w.apply(pool(2))
		w.health("web", 0, healthcheck.Up)
		w.health("web", 1, healthcheck.Up)
		next := pool(3)
		next.Service.Scheduler = "wrr"
		next.Real = next.Real[1:]
		next.Real[0].Weight = 5
		report, err := w.d.Plan(context.Background(), []director.VirtualServer{next})
		if err != nil {
			t.Fatal(err)
		}
		want := `web tcp 192.0.2.1:80
  ~ real_server 10.0.0.2:80 nat weight 1 -> nat weight 5
  + real_server 10.0.0.3:80 nat weight 1 (once its checks pass)
  ~ service rr -> wrr (new connections are refused for an instant while the kernel changes the scheduler)
  - real_server 10.0.0.1:80 nat weight 1 -> nat weight 0 (until its connections are gone, 1 min at the most)
`
		if got := report.String(); got != want {
			t.Errorf("report:\n%s\nwant:\n%s", got, want)
		}
		w.weights(map[int]uint32{0: 1, 1: 1})
		next = pool(2)
		next.Service.Flags, next.Service.Persistence = ipvs.Persistent, 60
		if report, err := w.d.Plan(context.Background(), []director.VirtualServer{next}); err != nil || strings.Contains(report.String(), "refused") || report.Empty() {
			t.Errorf("plan of another persistence: %v, %v", report, err)
		}
		if again, err := w.d.Plan(context.Background(), []director.VirtualServer{pool(2)}); err != nil || !again.Empty() {
			t.Errorf("plan of what runs: %v, %v", again, err)
		}
	})
}

// The forwarding method in a plan is the configured one: the kernel's IPVS does fullnat
// by nat.
func TestPlanNamesFullNAT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		full := func(n int) director.VirtualServer {
			vs := pool(n)
			vs.Forward = director.FullNAT
			for i := range vs.Real {
				vs.Real[i].Forward = director.FullNAT
			}
			return vs
		}
		w.apply(full(2))
		w.health("web", 0, healthcheck.Up)
		w.health("web", 1, healthcheck.Up)
		next := full(3)
		next.Real = next.Real[1:]
		next.Real[0].Weight = 5
		report, err := w.d.Plan(context.Background(), []director.VirtualServer{next})
		if err != nil {
			t.Fatal(err)
		}
		text := report.String()
		for _, want := range []string{
			"~ real_server 10.0.0.2:80 fullnat weight 1 -> fullnat weight 5", "+ real_server 10.0.0.3:80 fullnat weight 1",
			"- real_server 10.0.0.1:80 fullnat weight 1 -> fullnat weight 0",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
	})
}

// A plan that is made beside a running director knows whose services go, and how long
// their servers drain.
func TestPlanBesideAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		vs, short := pool(1), pool(1)
		vs.Real[0].Checked = false
		w.apply(vs)
		for timeout, want := range map[time.Duration]string{
			30 * time.Second: "web tcp 192.0.2.1:80\n  - service rr (its servers go to weight 0 first, until their connections are gone, 30 s at the most)\n",
			0:                "web tcp 192.0.2.1:80\n  - service rr ! drops connections (0 now)\n",
		} {
			short.DrainTimeout = timeout
			d := engine.New(engine.Options{Kernel: w.k, State: w.state})
			d.SetOther([]director.VirtualServer{short})
			report, err := d.Plan(context.Background(), nil)
			if got := report.String(); err != nil || got != want {
				t.Errorf("%v: planned %q, %v; want %q", timeout, got, err, want)
			}
		}
	})
}

// A service that is being emptied since an earlier reload is no change of the next.
func TestPlanWhileAServiceLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.halt()
		stays, leaves := pool(1), pool(1)
		leaves.Name, leaves.Keys = "leaves", []ipvs.ServiceKey{ipvstest.Key(1)}
		stays.Real[0].Checked, leaves.Real[0].Checked = false, false
		w.apply(stays, leaves)
		w.k.SetCounters(ipvstest.Key(1), ipvstest.Dest(0), ipvs.Counters{Active: 1})
		beside := engine.New(engine.Options{Kernel: w.k, State: w.state})
		planned := func(when string, empty bool) {
			t.Helper()
			for _, d := range []*engine.Engine{w.d, beside} {
				if report, err := d.Plan(context.Background(), []director.VirtualServer{stays}); err != nil || report.Empty() != empty {
					t.Errorf("%s planned %v, %v", when, report, err)
				}
			}
		}
		beside.SetOther([]director.VirtualServer{stays, leaves})
		planned("before the reload", false)
		w.apply(stays)
		beside.SetOther([]director.VirtualServer{stays})
		planned("after it", true)
		if _, there := w.k.Table()[ipvstest.Key(1)]; !there {
			t.Error("it has left already")
		}
	})
}
