package chaos

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// waits are how long something lasts that ends by itself: less and more than a peer
// waits, less and more than a lease.
var waits = []time.Duration{50 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond}

// kill ends processes with SIGKILL, which are stopped first where that must be one.
func (s *scene) kill(pids ...int) {
	if len(pids) > 1 {
		s.d.signal(syscall.SIGSTOP, pids...)
	}
	s.d.signal(syscall.SIGKILL, pids...)
	if slices.Contains(pids, s.parent()) {
		s.d.awaitEnd(s.ctx) // a busy machine is late with the news
	}
}

// revive starts usher again as a service manager does, at once or when the world is
// healed.
func (s *scene) revive() {
	if chance(s.r, 50) {
		wait(s.ctx, 100*time.Millisecond)
		s.d.revive(s.ctx)
	}
}

// revive starts usher where it has ended and nobody stopped it.
func (d *Director) revive(ctx context.Context) {
	if d.running() || d.stopped {
		return
	}
	if err := d.start(ctx); err != nil {
		d.world.note("  %s: start: %s", d.Name, strings.ReplaceAll(err.Error(), "\n", " | "))
	}
}

// pause stops processes for a time, or until the world is healed.
func (s *scene) pause(pids ...int) {
	s.d.signal(syscall.SIGSTOP, pids...)
	if chance(s.r, 70) {
		wait(s.ctx, pick(s.r, waits...))
		s.d.signal(syscall.SIGCONT, pids...)
	}
}

func (s *scene) parent() int {
	if !s.d.running() {
		return 0
	}
	return s.d.run.PID()
}

func processActions() []Action {
	return []Action{
		{Name: "parent-killed", Do: func(s *scene) {
			s.kill(s.parent())
			s.revive()
		}},
		{Name: "child-killed", Do: func(s *scene) { s.kill(s.d.child()) }},
		{Name: "child-killed-twice", Do: func(s *scene) {
			s.kill(s.d.child())
			wait(s.ctx, pick(s.r, waits[:3]...))
			s.kill(s.d.child())
		}},
		{Name: "both-killed", Do: func(s *scene) {
			s.kill(s.parent(), s.d.child())
			s.revive()
		}},
		{Name: "all-killed", Do: func(s *scene) { // on all directors at once
			for _, d := range s.w.directors {
				if d.running() {
					d.signal(syscall.SIGKILL, d.family()...)
				}
			}
			for _, d := range s.w.directors {
				d.awaitEnd(s.ctx)
			}
			s.revive()
		}},
		{Name: "parent-stopped", Do: func(s *scene) { s.pause(s.parent()) }},
		{Name: "child-stopped", Do: func(s *scene) { s.pause(s.d.child()) }},
		{Name: "both-stopped", Do: func(s *scene) { s.pause(s.d.family()...) }},
		{Name: "restarted", Do: func(s *scene) {
			s.d.signal(syscall.SIGTERM, s.parent())
			if s.d.run != nil {
				s.d.awaitEnd(s.ctx)
			}
			s.revive()
		}},
		{Name: "ended-for-good", Do: func(s *scene) {
			s.d.signal(syscall.SIGTERM, s.parent())
			s.d.stopped = s.stays() && s.d.running() // what one that was killed leaves is the next one's to clear
			s.d.awaitEnd(s.ctx)
		}},
		{Name: "ended-twice", Do: func(s *scene) { // a second SIGTERM while the first is heard
			s.d.signal(syscall.SIGTERM, s.parent())
			wait(s.ctx, 5*time.Millisecond)
			s.d.signal(syscall.SIGTERM, s.parent())
			s.d.awaitEnd(s.ctx)
		}},
		{Name: "interrupted", Do: func(s *scene) {
			s.d.signal(syscall.SIGINT, s.parent())
			s.d.awaitEnd(s.ctx)
		}},
		{Name: "child-terminated", Do: func(s *scene) { s.d.signal(syscall.SIGTERM, s.d.child()) }},
		{Name: "hangups", Do: func(s *scene) {
			for range 2 + s.r.IntN(12) {
				s.d.signal(syscall.SIGHUP, s.parent())
				wait(s.ctx, time.Duration(s.r.IntN(20))*time.Millisecond)
			}
		}},
		{Name: "odd-signals", Do: func(s *scene) {
			for _, pid := range s.d.family() {
				s.d.signal(syscall.SIGPIPE, pid)
				s.d.signal(syscall.SIGWINCH, pid)
				s.d.signal(syscall.SIGURG, pid)
			}
		}},
	}
}

// awaitEnd waits for the end of usher after a signal.
func (d *Director) awaitEnd(ctx context.Context) {
	if d.run == nil {
		return
	}
	select {
	case <-d.run.Done():
	case <-ctx.Done():
	case <-time.After(d.world.patience):
		d.ending = true
		d.world.note("  %s: usher has not ended after %v", d.Name, d.world.patience)
	}
}

// state is the director's state folder.
func (d *Director) state() string { return filepath.Join(d.Dir, "lib/usher") }

// filler is what fills the file system of the state folder.
func (d *Director) filler() string { return filepath.Join(d.Dir, "lib/filler") }

// fill leaves no room on the file system of the state folder.
func (d *Director) fill() error {
	f, err := os.OpenFile(d.filler(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	return nil
}

// immutable is FS_IMMUTABLE_FL: nothing in a folder can be made, renamed or removed.
const immutable = 0x10

// writable has the state folder be writable or not, root included.
func (d *Director) writable(yes bool) {
	f, err := os.Open(d.state())
	if err != nil {
		return
	}
	defer f.Close()
	flags := 0
	if !yes {
		flags = immutable
	}
	if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags); err != nil {
		d.world.note("  %s: state folder writable=%t: %v", d.Name, yes, err)
	}
}

// spoil does something to every file of the state folder.
func (s *scene) spoil(do func(path string) error) {
	files, err := filepath.Glob(filepath.Join(s.d.state(), "*"))
	s.w.note("  %s: state has %v %v", s.d.Name, files, err)
	s.d.spoilt = true
	for _, f := range files {
		if filepath.Base(f) == "lock" {
			continue
		}
		if err := do(f); err != nil {
			s.w.note("  %v", err)
		}
	}
}

// keepsLittle leaves out worlds in which a director has services and little patience: what it
// could not write down it tries again within half a minute, and says so until then.
func keepsLittle(s Setup) bool { return s.BGP == nil }

func stateActions() []Action {
	garbage := func(path string) error { return os.WriteFile(path, []byte("{\"\x00garbage"), 0o600) }
	return []Action{
		{Name: "state-full", Fits: keepsLittle, Do: func(s *scene) { s.w.note("  %v", s.d.fill()) }},
		{Name: "state-read-only", Fits: keepsLittle, Do: func(s *scene) { s.d.writable(false) }},
		{Name: "state-damaged", Do: func(s *scene) { s.spoil(garbage) }},
		{Name: "state-damaged-and-killed", Do: func(s *scene) {
			s.kill(s.parent(), s.d.child())
			s.spoil(garbage)
			s.revive()
		}},
		{Name: "state-emptied", Do: func(s *scene) { s.spoil(func(path string) error { return os.Truncate(path, 0) }) }},
		{Name: "state-removed", Do: func(s *scene) { s.spoil(os.RemoveAll) }},
		{Name: "state-full-and-killed", Fits: keepsLittle, Do: func(s *scene) {
			s.w.note("  %v", s.d.fill())
			s.kill(s.parent(), s.d.child())
			s.revive()
		}},
		{Name: "state-read-only-and-restarted", Fits: keepsLittle, Do: func(s *scene) {
			s.d.writable(false)
			s.d.signal(syscall.SIGTERM, s.parent())
			s.d.awaitEnd(s.ctx)
			s.revive()
		}},
		{Name: "socket-removed", Do: func(s *scene) {
			s.w.note("  %v", os.Remove(filepath.Join(s.d.Dir, "run/usher/usher.sock")))
		}},
	}
}
