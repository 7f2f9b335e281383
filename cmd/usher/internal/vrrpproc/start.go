package vrrpproc

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Where a child finds its end of the connections to the parent and to the guard, and
// its life sign. The lock comes after them: it is kept open and nothing more.
const (
	childFD     = 3
	childWillFD = 4
	childSignFD = 5
)

// command starts the child as a process of its own, and the guard as another one.
func command(o Options) Starter {
	var sent [256]uint64 // of the children before
	return func(lock *Lock) (Process, error) {
		conn, theirs, err := socketPair("vrrp child")
		if err != nil {
			return Process{}, err
		}
		defer func() { _ = theirs.Close() }()
		guarded, testator, err := files("vrrp guard")
		if err != nil {
			_ = conn.Close()
			return Process{}, err
		}
		defer func() { _ = testator.Close() }()
		sign, shared, err := newLifeSign()
		if err != nil {
			_ = conn.Close()
			_ = guarded.Close()
			return Process{}, err
		}
		sign.resume(sent)
		args := o.Args
		if len(args) == 0 {
			args = []string{ChildCommand}
		}
		cmd := o.self(args)
		cmd.ExtraFiles = lock.hand(theirs, testator, shared)
		// A group of its own: the interrupt key is for the parent, which then
		// tells the child.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			_ = conn.Close()
			_ = guarded.Close()
			_ = shared.Close()
			sign.close()
			return Process{}, err
		}
		p := Process{Conn: conn, Wait: cmd.Wait, Kill: func() { _ = cmd.Process.Kill() }, PID: cmd.Process.Pid, Idle: sign.age}
		release := o.guard(guarded, shared, lock)
		p.Release = func() {
			release()
			sent = sign.sequences()
			_ = shared.Close()
			sign.close()
		}
		return p, nil
	}
}

// self is another process of this program.
func (o Options) self(args []string) *exec.Cmd {
	exe := o.Executable
	if exe == "" {
		// The file that runs, even if another version has replaced it on disk.
		exe = "/proc/self/exe"
	}
	cmd := exec.Command(exe, args...)
	cmd.Args[0] = "usher"
	cmd.Stderr = os.Stderr
	return cmd
}

// guard keeps a guard at the end of a child's connection, and gives what ends it when
// the child has ended and what that held is withdrawn.
func (o Options) guard(child, sign *os.File, lock *Lock) (release func()) {
	if len(o.GuardArgs) == 0 {
		return func() { _ = child.Close() }
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = child.Close() }()
		pause := backoffFirst
		for {
			started := time.Now()
			err := o.guardOnce(child, sign, lock, quit)
			select {
			case <-quit:
				return
			default:
			}
			if time.Since(started) > soundAfter {
				pause = backoffFirst
			}
			o.Log.Error("vrrp: the guard of the VRRP process died; it is started again", "error", err, "in", pause)
			select {
			case <-quit:
				return
			case <-time.After(pause):
			}
			pause = min(2*pause, backoffMost)
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// guardOnce runs one guard until it ends, of itself or because the child has.
func (o Options) guardOnce(child, sign *os.File, lock *Lock, quit <-chan struct{}) error {
	conn, theirs, err := socketPair("vrrp guard")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	cmd := o.self(o.GuardArgs)
	cmd.ExtraFiles = lock.hand(theirs, child, sign)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	// A session of its own: nothing that is for the others reaches it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	said, err := cmd.Output() // the guard itself goes on: see Guard
	_ = theirs.Close()
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(said)))
	if err != nil {
		return fmt.Errorf("start of the guard: no process id: %w", err)
	}
	kill := watchProcess(pid)
	if kill == nil {
		kill = func() { _ = unix.Kill(pid, unix.SIGKILL) } // a kernel without pidfd_open
	}
	kill = sync.OnceFunc(kill)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, conn) // it says nothing: this is its end
	}()
	select {
	case <-ended:
	case <-quit:
		endGuard(conn, ended, kill)
	}
	kill() // frees what watches it; a process that has ended is not affected
	return errors.New("its connection ended")
}

// files is a socket pair.
func files(name string) (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name), nil
}

// socketPair is a socket pair of which one end is this process's.
func socketPair(name string) (net.Conn, *os.File, error) {
	ours, theirs, err := files(name)
	if err != nil {
		return nil, nil, err
	}
	conn, err := net.FileConn(ours)
	_ = ours.Close() // conn has a copy
	if err != nil {
		_ = theirs.Close()
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	return conn, theirs, nil
}

// Inheritance is what a child was started with.
type Inheritance struct {
	Parent net.Conn
	Guard  net.Conn // nil where there is none
	sign   *lifeSign
}

// Inherited takes over what the parent has this process find.
func Inherited() (in Inheritance, err error) {
	if in.Parent, err = inherited(childFD); err != nil {
		return in, err
	}
	if in.Guard, err = inherited(childWillFD); err != nil {
		return in, err
	}
	in.sign, err = inheritedLifeSign(childSignFD)
	return in, err
}
