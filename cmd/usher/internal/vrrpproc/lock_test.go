package vrrpproc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// runParent is a daemon's parent with real children and guards, until it is killed. On
// stdout it says the process ids of the children that it starts.
func runParent() error {
	o := Options{GuardArgs: []string{GuardCommand}, Log: errorLog(), State: os.Getenv("USHER_VRRPPROC_STATE")}
	if err := os.Setenv("USHER_VRRPPROC", "child"); err != nil {
		return err
	}
	start := command(o)
	o.Start = func(lock *Lock) (Process, error) {
		p, err := start(lock)
		if err == nil {
			fmt.Println(p.PID)
		}
		return p, err
	}
	p := New(o)
	if err := p.Apply(nativeConfig(0)); err != nil {
		return err
	}
	return p.Run(context.Background())
}

// TestNativeSuccession: a daemon that is killed and one that is started at once never
// have VRRP processes side by side, whatever has become of those of the first.
func TestNativeSuccession(t *testing.T) {
	for _, c := range []struct {
		name string
		// befall is what happens to the first daemon's processes beside the death of its parent.
		befall func(child, guard int)
		least  time.Duration // until the second has its child
	}{
		{"child resigns", func(int, int) {}, 0},
		{"child is stopped", func(child, _ int) { _ = syscall.Kill(child, syscall.SIGSTOP) }, 0},
		{"child and guard are stopped", func(child, guard int) {
			_ = syscall.Kill(child, syscall.SIGSTOP)
			_ = syscall.Kill(guard, syscall.SIGSTOP)
		}, 400 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := makeNative(t)
			n.o.orphans = 400 * time.Millisecond
			first := exec.Command(os.Args[0])
			first.Env = append(os.Environ(), "USHER_VRRPPROC=parent", "USHER_VRRPPROC_STATE="+n.state)
			first.Stderr = os.Stderr // a pipe would be open for as long as its processes live
			out, err := first.StdoutPipe()
			if err == nil {
				err = first.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			endAtLast(t, first.Process.Pid)
			line, err := bufio.NewReader(out).ReadString('\n')
			child, wrong := strconv.Atoi(strings.TrimSpace(line))
			if err = errors.Join(err, wrong); err != nil {
				t.Fatal(err)
			}
			n.until(t, true, 10*time.Second)
			f, err := os.Open(filepath.Join(n.state, lockName))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			// The parent has it too, but is not what is looked for.
			endAtLast(t, child)
			pids := holders(f)
			for start := time.Now(); len(pids) < 2 && time.Since(start) < 10*time.Second; pids = holders(f) {
				runtime.Gosched() // the guard gives itself its name when it has started
			}
			if len(pids) != 2 || pids[0] != child && pids[1] != child {
				t.Fatalf("child %d; %v hold the lock", child, pids)
			}
			guard := pids[0] + pids[1] - child
			endAtLast(t, guard)
			c.befall(child, guard)
			if err := first.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = first.Wait() // it was killed
			killed := time.Now()
			n.before = func() {
				for _, pid := range []int{child, guard} {
					if lives(pid) {
						t.Errorf("process %d of the first daemon lives when the second starts its own", pid)
					}
				}
			}
			if err := n.Apply(nativeConfig(time.Second)); err != nil {
				t.Fatal(err)
			}
			n.run(t)
			n.await(t, "active", toActive)
			if waited := time.Since(killed); waited < c.least {
				t.Errorf("active after %v", waited)
			}
			n.until(t, true, 10*time.Second)
		})
	}
}

// endAtLast kills a process at the end of the test, whose number may be another's by then.
func endAtLast(t *testing.T, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // it has ended, if all went well
		_ = unix.Close(fd)
	})
}

// lives says whether a process has not ended, though it may not be reaped.
func lives(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}

// TestLockThroughLink: what somebody has put in the lock's place is not touched, and the
// daemon goes on.
func TestLockThroughLink(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	if err := os.Symlink(target, filepath.Join(dir, lockName)); err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(t.Context(), dir, slog.New(slog.DiscardHandler)); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a link as the lock: %v", err)
	}
	if _, err := os.Stat(target); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what it names was made: %v", err)
	}
}

// TestLockEnds: who waits for it can give up.
func TestLockEnds(t *testing.T) {
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	lock, err := Acquire(t.Context(), dir, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := Acquire(ctx, dir, log); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the lock of another: %v", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Acquire(t.Context(), dir, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}
