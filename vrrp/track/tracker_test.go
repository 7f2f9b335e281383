package track

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/vrrp"
)

// said is one report.
type said struct {
	instance, key string
	vrrp.Adjustment
	reachable bool
}

// tracking is a running tracker.
type tracking struct {
	*Tracker
	reports chan said
}

func start(t *testing.T, instances ...vrrp.Config) tracking {
	t.Helper()
	tr := stopped()
	tr.begin(t, instances...)
	return tr
}

func stopped() tracking {
	tr := tracking{reports: make(chan said, 1000)}
	tr.Tracker = New(Options{
		Report: func(instance, key string, a vrrp.Adjustment) {
			tr.reports <- said{instance: instance, key: key, Adjustment: a}
		},
		Witness: func(instance string, ok bool) { tr.reports <- said{instance: instance, reachable: ok} },
		Run: func(ctx context.Context, args []string, _ string) error {
			out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
			if len(out) > 0 {
				return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
			}
			return err
		},
	})
	return tr
}

func (tr tracking) begin(t *testing.T, instances ...vrrp.Config) {
	t.Helper()
	tr.Apply(instances)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func (tr tracking) next(t *testing.T) said {
	t.Helper()
	select {
	case s := <-tr.reports:
		return s
	case <-time.After(30 * time.Second):
		t.Fatal("no report within 30 s")
		return said{}
	}
}

func instance(name string, tracks ...vrrp.Track) vrrp.Config {
	return vrrp.Config{Name: name, Track: tracks}
}

func TestCounter(t *testing.T) {
	for name, tt := range map[string]struct {
		track   vrrp.Track
		results string // g for good, b for bad
		want    string // state after each: u, d
	}{
		"the first good one is enough":      {vrrp.Track{Rise: 3, Fall: 3}, "g", "u"},
		"the first bad one is enough":       {vrrp.Track{Rise: 3, Fall: 3}, "b", "d"},
		"fall in a row":                     {vrrp.Track{Rise: 1, Fall: 3}, "gbbgbbb", "uuuuuud"},
		"rise in a row":                     {vrrp.Track{Rise: 2, Fall: 1}, "bgbggb", "ddddud"},
		"initial up needs the whole fall":   {vrrp.Track{Rise: 1, Fall: 2, Initial: "up"}, "bb", "ud"},
		"initial down needs the whole rise": {vrrp.Track{Rise: 2, Fall: 1, Initial: "down"}, "gg", "du"},
		"nothing given is one":              {vrrp.Track{}, "gbg", "udu"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCounter(tt.track)
			got := ""
			for _, r := range tt.results {
				before := c.up
				if changed := c.take(r == 'g'); changed && c.known && before == c.up && got != "" {
					t.Error("changed to what it was")
				}
				got += map[bool]string{true: "u", false: "d"}[c.up]
			}
			if got != tt.want {
				t.Errorf("states %s; want %s", got, tt.want)
			}
		})
	}
}

func TestScript(t *testing.T) {
	flag := filepath.Join(t.TempDir(), "up")
	tr := start(t, instance("web", vrrp.Track{
		Kind: vrrp.TrackScript, Name: "s", Command: []string{"/bin/sh", "-c", "test -e " + flag + " || { echo no flag >&2; exit 1; }"},
		Interval: 20 * time.Millisecond, Timeout: 20 * time.Second, Rise: 1, Fall: 1, Weight: -30,
	}))
	if s := tr.next(t); s.instance != "web" || s.key != "script/s" || s.Weight != -30 || s.Reason != "script s: exit status 1: no flag" {
		t.Errorf("first: %+v", s)
	}
	write(t, flag, "")
	if s := tr.next(t); s.Weight != 0 || s.Fault {
		t.Errorf("up: %+v", s)
	}
}

// TestApply: what is tracked on in the same way is neither run again nor asked
// again; a new weight takes the result that is known.
func TestApply(t *testing.T) {
	log := filepath.Join(t.TempDir(), "runs")
	s := vrrp.Track{Kind: vrrp.TrackScript, Name: "s", Command: []string{"/bin/sh", "-c", "echo >>" + log + "; exit 1"}, Interval: time.Hour, Timeout: 20 * time.Second, Weight: -30}
	tr := start(t, instance("web", s))
	if got := tr.next(t); got.Weight != -30 {
		t.Fatalf("%+v", got)
	}
	heavy := s
	heavy.Weight = -50
	tr.Apply([]vrrp.Config{instance("web", s), instance("mail", heavy)})
	for range 2 {
		got := tr.next(t)
		if want := map[string]int{"web": -30, "mail": -50}[got.instance]; got.Weight != want {
			t.Errorf("%+v; want %d", got, want)
		}
	}
	if b, err := os.ReadFile(log); err != nil || len(b) != 1 {
		t.Errorf("ran %d times, %v; want once", len(b), err)
	}
	tr.Apply(nil)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if len(tr.sources) != 0 {
		t.Errorf("still watched: %d", len(tr.sources))
	}
}

func TestProcess(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(sleep)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	name := fmt.Sprintf("ushertrk%d", os.Getpid())
	path := filepath.Join(t.TempDir(), name)
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	run := func() *exec.Cmd {
		cmd := exec.Command(path, "600")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		return cmd
	}
	first := run() // there before anybody watches
	tr := start(t, instance("one", vrrp.Track{Kind: vrrp.TrackProcess, Name: name}), instance("two", vrrp.Track{Kind: vrrp.TrackProcess, Name: name, Quorum: 2}),
		instance("patient", vrrp.Track{Kind: vrrp.TrackProcess, Name: name, Quorum: 2, UpDelay: time.Hour})) // never told of what follows
	got := map[string]bool{}
	for range 3 {
		s := tr.next(t)
		got[s.instance] = s.Fault
	}
	if got["one"] || !got["two"] || !got["patient"] {
		t.Fatalf("faults %v; want those of two and patient", got)
	}
	run()
	if s := tr.next(t); s.instance != "two" || s.Fault {
		t.Fatalf("after a second process: %+v", s)
	}
	// Killed and not buried: a zombie does not run.
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if s := tr.next(t); s.instance != "two" || !s.Fault {
		t.Fatalf("after its end: %+v", s)
	}
}

func TestPing(t *testing.T) {
	for _, a := range []string{"127.0.0.1", "::1"} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		if err := ping(ctx, netip.MustParseAddr(a)); err != nil {
			t.Errorf("%s: %v", a, err)
		}
		cancel()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := ping(ctx, netip.MustParseAddr("240.0.0.1")); err == nil {
		t.Error("an address that cannot be answered")
	}
}

// TestWitness: one answer is enough, silence of all is not, and a ping that hangs
// holds nothing up.
func TestWitness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
		silent := make(chan bool, 1)
		silent <- false
		fake := func(ctx context.Context, to netip.Addr) error {
			quiet := <-silent
			silent <- quiet
			if to == b && !quiet {
				return nil
			}
			<-ctx.Done()
			return errors.New("no answer")
		}
		tr := New(Options{})
		ctx, cancel := context.WithCancel(t.Context())
		results, done := make(chan result, 100), make(chan struct{})
		go func() {
			defer close(done)
			tr.witness(vrrp.Witness{Ping: []netip.Addr{a, b}, Interval: time.Second, Timeout: 500 * time.Millisecond}, fake)(ctx, nil, func(r result) { results <- r })
		}()
		if r := <-results; !r.up {
			t.Errorf("%+v", r)
		}
		<-silent
		silent <- true
		start := time.Now()
		if r := <-results; r.up || time.Since(start) > 1500*time.Millisecond {
			t.Errorf("%+v after %v", r, time.Since(start))
		}
		cancel()
		<-done
	})
}
