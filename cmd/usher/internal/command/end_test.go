package command

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// gone makes a FIFO and tells when it has been written to and nothing writes any more.
func gone(t *testing.T, fifo string) <-chan error {
	t.Helper()
	if err := syscall.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := os.ReadFile(fifo)
		ended <- err
	}()
	return ended
}

// TestNothingIsLeft: whatever a program starts, and however that hides, it is found when
// the program's time is up, and when it has ended.
func TestNothingIsLeft(t *testing.T) {
	root(t)
	r := runner(t)
	sleep := `sh -c 'trap "" TERM HUP; exec 3> "$FIFO"; : > "$UP"; while :; do sleep 1; done'`
	for how, start := range map[string]string{
		"a child":                       sleep + " &",
		"a session of its own":          "setsid " + sleep + " &",
		"without its parent":            "(" + sleep + " &)",
		"a session, without its parent": "(setsid " + sleep + " &)",
		"a parent that stays":           "(setsid sh -c '" + strings.ReplaceAll(sleep, "'", `'\''`) + " & wait' &)",
	} {
		for when, end := range map[string]string{"time is up": "sleep 1000", "ended": "exit 7"} {
			for _, user := range []string{"", "nobody"} {
				t.Run(how+", "+when+", "+user, func(t *testing.T) {
					t.Parallel()
					dir, err := os.MkdirTemp("", "command")
					if err != nil || os.Chmod(dir, 0o777) != nil {
						t.Fatal(err)
					}
					defer os.RemoveAll(dir)
					fifo, started := filepath.Join(dir, "alive"), filepath.Join(dir, "started")
					left, begun := gone(t, fifo), gone(t, started)
					if err := errors.Join(os.Chmod(fifo, 0o666), os.Chmod(started, 0o666)); err != nil {
						t.Fatal(err)
					}
					c := sh(start + "\nuntil test -e \"$UP\"; do sleep 0.05; done; : > \"$STARTED\"; " + end)
					c.Env, c.User = []string{"FIFO=" + fifo, "STARTED=" + started, "UP=" + filepath.Join(dir, "up")}, user
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if when == "time is up" {
						go func() {
							<-begun
							cancel()
						}()
					}
					e, err := r.Run(ctx, c)
					if when == "ended" && (err != nil || e.Code != 7) || when != "ended" && !errors.Is(err, context.Canceled) {
						t.Errorf("exit %+v, error %v", e, err)
					}
					select {
					case err := <-left:
						if err != nil {
							t.Error(err)
						}
					case <-time.After(30 * time.Second):
						t.Error("a process of it is still alive")
					}
				})
			}
		}
	}
}

// TestLeave: what a notification starts lives on, and is not taken for another's.
func TestLeave(t *testing.T) {
	r := runner(t)
	c := sh(`sleep 1000 & echo $!`)
	c.Leave = true
	pid, err := strconv.Atoi(say(t, r, c))
	if err != nil {
		t.Fatal(err)
	}
	say(t, r, sh("sleep 1000 & true"))
	if p, ok := look(pid); !ok || p.state == 'Z' {
		t.Errorf("what was left running is gone: %+v, %v", p, ok)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Error(err)
	}
}

// TestGrace: a program that is asked to end can do so in order.
func TestGrace(t *testing.T) {
	r := runner(t)
	dir := t.TempDir()
	ready, done := filepath.Join(dir, "ready"), filepath.Join(dir, "done")
	begun, ended := gone(t, ready), gone(t, done)
	c := sh(`trap 'echo bye > ` + done + `; exit 0' TERM; : > ` + ready + `; while :; do sleep 0.05; done`)
	c.Grace = 10 * time.Second
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	if _, err := r.Run(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Error("it was not asked")
	}
}

// TestLauncherDies: commands under way fail, those after it run by another launcher.
func TestLauncherDies(t *testing.T) {
	r := runner(t)
	parent := say(t, r, sh("echo $PPID"))
	pid, err := strconv.Atoi(parent)
	if err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(t.TempDir(), "begun")
	begun := gone(t, fifo)
	go func() {
		<-begun
		_ = unix.Kill(pid, unix.SIGKILL)
	}()
	if _, err := r.Run(t.Context(), sh(": > "+fifo+"; exec sleep 1000")); !errors.As(err, new(*StartError)) {
		t.Errorf("error %v", err)
	}
	if again := say(t, r, sh("echo $PPID")); again == parent {
		t.Error("the same launcher answers")
	}
}
