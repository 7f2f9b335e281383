package probe_test

import (
	"context"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/healthcheck"
	"usher/healthcheck/probe"
)

// run carries out one probe by a Prober of its own, and sees to it that it ends
// within its timeout and leaves no goroutine, no descriptor and no TIME_WAIT.
func run(t *testing.T, c healthcheck.Check) healthcheck.Result {
	t.Helper()
	for range 20 {
		r := runAll(t, c)[0]
		if r.Outcome != healthcheck.Inconclusive || !strings.HasPrefix(r.Reason, "looked too late to tell") {
			return r
		}
	}
	t.Fatal("this machine is too busy to tell")
	return healthcheck.Result{}
}

func runAll(t *testing.T, checks ...healthcheck.Check) []healthcheck.Result {
	t.Helper()
	goroutines, descriptors, waited := runtime.NumGoroutine(), openFiles(t), timeWaits(t)
	p := probe.New(probe.Options{Commands: shell})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	results := make([]healthcheck.Result, len(checks))
	var wg sync.WaitGroup
	jobs := make([]healthcheck.Job, len(checks))
	begun := time.Now()
	for i := range checks {
		if checks[i].Timeout == 0 {
			checks[i].Timeout = 5 * time.Second
		}
		wg.Add(1)
		jobs[i] = healthcheck.Job{
			ID: uint64(i), Check: &checks[i],
			Report: func(r healthcheck.Result) {
				if took := time.Since(begun); took > checks[i].Timeout+10*time.Second {
					t.Errorf("%s %s took %s, its timeout is %s", checks[i].Type, checks[i].Address, took, checks[i].Timeout)
				}
				results[i] = r
				wg.Done()
			},
		}
	}
	p.Start(ctx, jobs)
	wg.Wait()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	settled(t, "goroutines", goroutines, runtime.NumGoroutine)
	settled(t, "descriptors", descriptors, func() int { return openFiles(t) })
	for id := range timeWaits(t) {
		if slices.ContainsFunc(checks, func(c healthcheck.Check) bool { return c.Address == id.server }) && !waited[id] {
			t.Errorf("TIME_WAIT: %+v", id)
		}
	}
	return results
}

// settled awaits that a count is back at what it was: a server's own side of a
// connection, in this same process, ends a little later.
func settled(t *testing.T, what string, want int, count func() int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); count() > want; runtime.Gosched() {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d %s are left, %d before\n%s", count(), what, want, buf[:runtime.Stack(buf, true)])
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// timeWait is a connection of which one end still waits its time out.
type timeWait struct{ client, server netip.AddrPort }

// timeWaits are the connections that wait their time out, on the client's side or the
// server's; those of other programs are among them.
func timeWaits(t *testing.T) map[timeWait]bool {
	t.Helper()
	waits := map[timeWait]bool{}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		all, err := netlink.SocketDiagTCP(family)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			remote, _ := netip.AddrFromSlice(c.ID.Destination)
			local, _ := netip.AddrFromSlice(c.ID.Source)
			if c.State == netlink.TCP_TIME_WAIT {
				waits[timeWait{netip.AddrPortFrom(local.Unmap(), c.ID.SourcePort), netip.AddrPortFrom(remote.Unmap(), c.ID.DestinationPort)}] = true
			}
		}
	}
	return waits
}

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
