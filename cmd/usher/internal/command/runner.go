package command

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// StartError says why a program could not be started: that it says nothing of what it
// was to find out.
type StartError struct{ Reason string }

func (e *StartError) Error() string { return e.Reason }

// CannotRun tells it from the failure of a program that ran.
func (e *StartError) CannotRun() bool { return true }

// Runner runs programs by a launcher, which it starts at the first of them, and again if
// it has died. It is safe for concurrent use.
type Runner struct {
	mu       sync.Mutex
	launcher *connection
	last     uint64
	closed   bool
}

// New makes a Runner. Nothing runs before the first command.
func New() *Runner { return &Runner{} }

// connection is a launcher that runs.
type connection struct {
	conn    net.Conn
	encoder *gob.Encoder
	waiting map[uint64]chan reply // closed if the launcher is gone
	kill    func()
	done    chan struct{}
}

// sendWithin bounds how long a launcher may take no requests, closeWithin how long it may
// take to end what it runs.
const (
	sendWithin  = time.Second
	closeWithin = 2 * time.Second
)

// send hands a request over. A launcher that does not take it hangs and is ended.
func (l *connection) send(q request) bool {
	_ = l.conn.SetWriteDeadline(time.Now().Add(sendWithin)) // a socket has deadlines
	err := l.encoder.Encode(q)
	if err != nil {
		l.kill()
	}
	return err == nil
}

var errLauncher = &StartError{"the process that runs commands has ended; it is started again for the next"}

// Run runs a program to its end. Where it cannot be started the error is a *StartError.
// When ctx ends before it, everything of it is ended, which Run does not wait for, and the
// error is ctx's.
func (r *Runner) Run(ctx context.Context, c Command) (Exit, error) {
	if err := ctx.Err(); err != nil {
		return Exit{}, err
	}
	l, id, answer, err := r.ask(c)
	if err != nil {
		return Exit{}, err
	}
	select {
	case a, ok := <-answer:
		switch {
		case !ok:
			return Exit{}, errLauncher
		case a.Failed != "":
			return Exit{}, &StartError{a.Failed}
		}
		return a.Exit, nil
	case <-ctx.Done():
		r.mu.Lock()
		defer r.mu.Unlock()
		if l.waiting[id] != nil {
			delete(l.waiting, id)
			l.send(request{ID: id, Cancel: true}) // a launcher that is gone has ended it
		}
		return Exit{}, ctx.Err()
	}
}

// ask has a launcher start a program.
func (r *Runner) ask(c Command) (*connection, uint64, chan reply, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, 0, nil, &StartError{"usher is stopping"}
	}
	if r.launcher == nil {
		l, err := r.start()
		if err != nil {
			return nil, 0, nil, &StartError{fmt.Sprintf("the process that runs commands cannot be started: %v", err)}
		}
		r.launcher = l
	}
	r.last++
	answer := make(chan reply, 1)
	r.launcher.waiting[r.last] = answer
	if !r.launcher.send(request{ID: r.last, Command: c}) {
		delete(r.launcher.waiting, r.last)
		return nil, 0, nil, errLauncher
	}
	return r.launcher, r.last, answer, nil
}

// start starts a launcher; r is locked.
func (r *Runner) start() (*connection, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket pair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "commands"), os.NewFile(uintptr(fds[1]), "commands")
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	_ = ours.Close() // conn has a copy
	if err != nil {
		return nil, fmt.Errorf("socket pair: %w", err)
	}
	cmd := exec.Command("/proc/self/exe", Word) // the file that runs, even if another has replaced it on disk
	cmd.Args[0] = "usher"
	cmd.Env = []string{}
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	// A session of its own: the interrupt key is for usher, which ends it in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	l := &connection{conn: conn, encoder: gob.NewEncoder(conn), waiting: map[uint64]chan reply{}, done: make(chan struct{})}
	l.kill = func() { _ = cmd.Process.Kill() } // it has ended already
	go r.listen(l, cmd)
	return l, nil
}

// listen hands replies out until the launcher is gone.
func (r *Runner) listen(l *connection, cmd *exec.Cmd) {
	defer close(l.done)
	for decoder := gob.NewDecoder(l.conn); ; {
		var a reply
		if err := decoder.Decode(&a); err != nil {
			break
		}
		r.mu.Lock()
		if answer := l.waiting[a.ID]; answer != nil {
			answer <- a
			delete(l.waiting, a.ID)
		}
		r.mu.Unlock()
	}
	r.mu.Lock()
	for id, answer := range l.waiting {
		close(answer)
		delete(l.waiting, id)
	}
	if r.launcher == l {
		r.launcher = nil
	}
	r.mu.Unlock()
	_ = l.conn.Close()
	_ = cmd.Wait() // whatever it says, the next command starts another
}

// Close ends the launcher and all that it runs, and waits for it.
func (r *Runner) Close() {
	r.mu.Lock()
	r.closed = true
	l := r.launcher
	r.mu.Unlock()
	if l == nil {
		return
	}
	if c, ok := l.conn.(*net.UnixConn); ok {
		_ = c.CloseWrite() // it is gone already
	}
	late := time.AfterFunc(closeWithin, l.kill)
	defer late.Stop()
	<-l.done
}
