package native

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// child gives the process id of a director's VRRP process.
func child(t *testing.T, p *lab.Process) int {
	t.Helper()
	pid := 0
	labtest.Must(t, lab.Until(t.Context(), p.Name+" has its VRRP process", func() error {
		if pid = childWith(p, "vrrp-child"); pid == 0 {
			return errors.New("no child")
		}
		return nil
	}))
	return pid
}

// childWith gives the process id of a child of p with that word on its command line, 0
// where there is none.
func childWith(p *lab.Process, word string) int {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.PID()))
	if err != nil {
		return 0
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // the thread is gone
		}
		for _, f := range strings.Fields(string(b)) {
			if line, _ := os.ReadFile("/proc/" + f + "/cmdline"); strings.Contains(string(line), word) {
				n, err := strconv.Atoi(f)
				if err == nil {
					return n
				}
			}
		}
	}
	return 0
}

// Every thread of the VRRP process has a real-time schedule, and all the same
// priority: the runtime's spinning waits would starve a lower one of its own for ever.
func TestOneRealtimePriority(t *testing.T) {
	l := suite.New(t, "")
	a := run(t, l.A, 150)
	labtest.Await(t, l.A, "web", "active")
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", child(t, a)))
	labtest.Must(t, err)
	if len(tasks) < 5 {
		t.Fatalf("threads %v", tasks)
	}
	priorities := map[uint32][]int{}
	for _, task := range tasks {
		tid, err := strconv.Atoi(filepath.Base(task))
		labtest.Must(t, err)
		attr, err := unix.SchedGetAttr(tid, 0)
		if errors.Is(err, unix.ESRCH) {
			continue // it has ended
		}
		labtest.Must(t, err)
		if attr.Policy != unix.SCHED_RR {
			t.Errorf("thread %d: policy %d", tid, attr.Policy)
		}
		priorities[attr.Priority] = append(priorities[attr.Priority], tid)
	}
	if len(priorities) != 1 {
		t.Errorf("priorities of threads: %v", priorities)
	}
}

// overlap looks at both directors every 10 ms, until it is stopped, for the VIP on
// both at once.
func overlap(t *testing.T, l *lab.Lab) (stop func() (twice int)) {
	t.Helper()
	quit, done := make(chan struct{}), make(chan int)
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		twice := 0
		for {
			select {
			case <-quit:
				done <- twice
				return
			case <-tick.C:
			}
			a, err := l.A.Holds(lab.VIP.String())
			if err != nil {
				t.Error(err)
			}
			b, err := l.B.Holds(lab.VIP.String())
			if err != nil {
				t.Error(err)
			}
			if a && b {
				twice++
			}
		}
	}()
	return func() int {
		close(quit)
		return <-done
	}
}

// Whatever is killed or stopped of the active director, for longer than its peer
// waits, the VIP is never on both directors, and afterwards it is on one.
func TestNeverOnTwoDirectors(t *testing.T) {
	t.Parallel()
	signal := func(s syscall.Signal, pids ...int) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			for _, pid := range pids {
				labtest.Must(t, syscall.Kill(pid, s))
			}
		}
	}
	for _, tt := range []struct {
		name          string
		parent, child bool
		stop          bool // and go on later, instead of a kill
	}{
		{"child killed", false, true, false},
		{"parent killed", true, false, false},
		{"both killed", true, true, false},
		{"child stopped", false, true, true},
		{"parent stopped", true, false, true},
		{"both stopped", true, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, a, _ := pair(t)
			var pids []int
			if tt.parent {
				pids = append(pids, a.PID())
			}
			if tt.child {
				pids = append(pids, child(t, a))
			}
			twice := overlap(t, l)
			if !tt.stop {
				signal(syscall.SIGKILL, pids...)(t)
				if tt.parent {
					labtest.Must(t, l.B.AwaitVIP(t.Context(), true))
					labtest.Must(t, l.A.AwaitVIP(t.Context(), false))
				} else {
					// It is started again; whichever of the two was sooner, the higher
					// priority has it in the end.
					labtest.Must(t, l.A.AwaitVIP(t.Context(), false))
					labtest.Await(t, l.A, "web", "active")
					labtest.Must(t, l.A.AwaitVIP(t.Context(), true))
				}
			} else {
				signal(syscall.SIGSTOP, pids...)(t)
				if tt.child {
					labtest.Must(t, l.B.AwaitVIP(t.Context(), true))
				}
				<-time.After(down) // longer than a peer waits
				signal(syscall.SIGCONT, pids...)(t)
				labtest.Await(t, l.A, "web", "active")
				labtest.Await(t, l.B, "web", "backup")
				labtest.Must(t, l.A.AwaitVIP(t.Context(), true))
				labtest.Must(t, l.B.AwaitVIP(t.Context(), false))
			}
			if n := twice(); n > 0 {
				t.Errorf("the VIP was on both directors in %d looks of 10 ms", n)
			}
		})
	}
}

// The same where the machine is cut off from its peer, and comes back.
func TestNeverOnTwoDirectors_Cut(t *testing.T) {
	l, _, _ := pair(t)
	twice := overlap(t, l)
	labtest.Must(t, l.Cut(l.A, "eth0"))
	labtest.Must(t, l.B.AwaitVIP(t.Context(), true))
	labtest.Must(t, l.A.AwaitVIP(t.Context(), false))
	labtest.Must(t, l.Mend(l.A, "eth0"))
	labtest.Await(t, l.A, "web", "active")
	labtest.Must(t, l.A.AwaitVIP(t.Context(), true))
	labtest.Must(t, l.B.AwaitVIP(t.Context(), false))
	if n := twice(); n > 0 {
		t.Errorf("the VIP was on both directors in %d looks of 10 ms", n)
	}
}

// wipe kills all processes of a director, each before it can see the end of another.
func wipe(t *testing.T, a *lab.Process) {
	t.Helper()
	vrrp, guard := child(t, a), guardOf(t, a, 0)
	labtest.Must(t, syscall.Kill(a.PID(), syscall.SIGSTOP))
	labtest.Must(t, syscall.Kill(guard, syscall.SIGKILL))
	labtest.Must(t, syscall.Kill(vrrp, syscall.SIGKILL))
	labtest.Must(t, a.Kill())
}

// Without a lease the address outlives everything; the next start removes it before
// it sends or hears anything.
func TestLeftoverIsRemovedAtStart(t *testing.T) {
	l := suite.New(t, "")
	file := labtest.File(t, l.A, "usher.hcl", strings.Replace(fmt.Sprintf(router, 150), "priority ", "lease = \"0s\"\n  priority ", 1))
	a := labtest.Start(t, l.A, "-c", file)
	labtest.Must(t, l.A.AwaitVIP(t.Context(), true))
	wipe(t, a)
	run(t, l.B, 200)
	labtest.Must(t, l.B.AwaitVIP(t.Context(), true))
	if held, err := l.A.Holds(lab.VIP.String()); err != nil || !held {
		t.Fatalf("nothing is left: %t, %v; the test shows nothing", held, err)
	}
	labtest.Start(t, l.A, "-c", file)
	labtest.Must(t, l.A.AwaitVIP(t.Context(), false))
	labtest.Await(t, l.A, "web", "backup")
}

// TestSettingsAfterCrash: parent and child are killed together with a virtual MAC in use;
// `usher withdraw` puts back what the base interface was set to, and so does the next
// start, for its own end.
func TestSettingsAfterCrash(t *testing.T) {
	l := suite.New(t, "")
	settings := func() string {
		return labtest.Run(t, l.A, "sysctl", "net.ipv4.conf.eth0.arp_ignore", "net.ipv4.conf.eth0.arp_announce", "net.ipv4.conf.eth0.rp_filter")
	}
	before := settings()
	crash := func() *lab.Process {
		t.Helper()
		a := start(t, l.A, 150, "virtual_mac = true\n")
		labtest.Await(t, l.A, "web", "active")
		if settings() == before {
			t.Fatal("no setting is changed; the test shows nothing")
		}
		return a
	}
	kill := func(a *lab.Process) {
		t.Helper()
		wipe(t, a)
		if settings() == before {
			t.Fatal("nothing is left behind; the test shows nothing")
		}
	}
	kill(crash())
	out, err := l.A.Usher(t.Context(), "withdraw")
	labtest.Must(t, err)
	if now := settings(); now != before {
		t.Errorf("after `usher withdraw`, which said %q, the settings are %q; they were %q", out, now, before)
	}
	if !strings.Contains(out, "put back net/ipv4/conf/eth0/arp_ignore=0") {
		t.Errorf("`usher withdraw` said %q", out)
	}
	kill(crash())
	labtest.Must(t, crash().Stop())
	if now := settings(); now != before {
		t.Errorf("after the next start and its end the settings are %q; they were %q", now, before)
	}
}
