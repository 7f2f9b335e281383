package command

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// linger is how long, after a program has ended, the end of its output is waited for: a
// process that could not be found may hold it open.
const linger = 100 * time.Millisecond

// run is one program that runs.
type run struct {
	launcher  *launcher
	id        uint64
	name      string // in the environment of all that belongs to it
	command   Command
	once      sync.Once
	cancelled chan struct{}

	pid    int
	status unix.WaitStatus // once ended is closed
	ended  chan struct{}
}

// stop asks for its end.
func (r *run) stop() { r.once.Do(func() { close(r.cancelled) }) }

// carryOut runs the program to its end and replies.
func (r *run) carryOut() {
	l := r.launcher
	defer func() {
		l.mu.Lock()
		delete(l.runs, r.id)
		l.mu.Unlock()
	}()
	pipe, err := r.start()
	if err != nil {
		l.reply(reply{ID: r.id, Failed: err.Error()})
		return
	}
	var said output
	read := make(chan struct{})
	go func() {
		defer close(read)
		said.drain(pipe)
	}()
	select {
	case <-r.ended:
	case <-r.cancelled:
		r.end()
	}
	if !r.command.Leave || r.wasCancelled() {
		r.sweep()
	}
	select {
	case <-read:
	case <-time.After(linger):
		_ = pipe.Close()
		<-read
	}
	e := Exit{Head: said.head, Tail: said.tail, Cut: said.read >= outputLimit}
	if r.status.Signaled() {
		e.Signal = int(r.status.Signal())
	} else {
		e.Code = r.status.ExitStatus()
	}
	l.reply(reply{ID: r.id, Exit: e})
}

// finish says how its first process ended.
func (r *run) finish(status unix.WaitStatus) {
	r.status = status
	close(r.ended)
}

func (r *run) wasCancelled() bool {
	select {
	case <-r.cancelled:
		return true
	default:
		return false
	}
}

// start starts its first process and gives the pipe that it speaks into.
func (r *run) start() (*os.File, error) {
	c := r.command
	if len(c.Args) == 0 {
		return nil, errors.New("no command")
	}
	id, err := lookup(c.User)
	if err != nil {
		return nil, err
	}
	env := id.environment(r.name, c.Env)
	file, err := find(c.Args[0], env)
	if err != nil {
		return nil, err
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("pipe: %w", err)
	}
	defer unix.Close(fds[1])
	if err := unix.SetNonblock(fds[0], true); err != nil { // so that closing it ends a read
		return nil, errors.Join(fmt.Errorf("pipe: %w", err), unix.Close(fds[0]))
	}
	pipe := os.NewFile(uintptr(fds[0]), "output")
	out := r.launcher.null.Fd()
	if c.Stdout {
		out = uintptr(fds[1])
	}
	err = r.launcher.start(r, file, c.Args, &syscall.ProcAttr{
		Dir: "/", Env: env, Files: []uintptr{r.launcher.null.Fd(), out, uintptr(fds[1])},
		Sys: &syscall.SysProcAttr{Setsid: true, Credential: id.credential, Pdeathsig: unix.SIGKILL},
	})
	if err != nil {
		return nil, errors.Join(r.unable(file, err), pipe.Close())
	}
	return pipe, nil
}

// unable says why a program could not be started.
func (r *run) unable(file string, err error) error {
	as := ""
	if r.command.User != "" {
		as = " as " + r.command.User
	}
	switch {
	case errors.Is(err, unix.ENOENT):
		if _, missing := os.Stat(file); missing == nil {
			return fmt.Errorf("%s cannot be run%s: the interpreter that its first line names is not there", file, as)
		}
	case errors.Is(err, unix.EPERM) && r.command.User != "":
		return fmt.Errorf("%s cannot be run%s: usher may not become another user (CAP_SETUID, CAP_SETGID): %w", file, as, err)
	case errors.Is(err, unix.ENOEXEC):
		return fmt.Errorf("%s cannot be run%s: it is no program, and its first line names no interpreter (#!): %w", file, as, err)
	}
	return fmt.Errorf("%s cannot be run%s: %w", file, as, err)
}

// end ends a program whose time is up: all of it is asked, then killed.
func (r *run) end() {
	if r.command.Grace > 0 {
		r.signal(unix.SIGTERM, true)
		select {
		case <-r.ended:
			return
		case <-time.After(r.command.Grace):
		}
	}
	r.signal(unix.SIGKILL, true)
	// A process that waits for a dead disk dies when that answers.
	<-r.ended
}

// sweep kills what a program left behind when it ended.
func (r *run) sweep() { r.signal(unix.SIGKILL, false) }

// rounds are how often what belongs to a run is looked for, at most: each finds what the
// one before let be started.
const rounds = 50

// signal sends a signal to every process of the run, its first one included or not, until
// none is found that has not had it.
func (r *run) signal(s syscall.Signal, first bool) {
	had := map[int]bool{}
	for range rounds {
		fresh := false
		for _, pid := range r.processes(first) {
			if had[pid] {
				continue
			}
			had[pid], fresh = true, true
			_ = unix.Kill(pid, s) // it may have ended
		}
		if !fresh {
			return
		}
	}
}

// processes are all that belong to the run now. What its first process is not an
// ancestor of any more has become a child of this process, the subreaper.
func (r *run) processes(first bool) (all []int) {
	if first {
		r.launcher.mu.Lock()
		if r.launcher.pids[r.pid] == r {
			all = tree(r.pid)
		}
		r.launcher.mu.Unlock()
	}
	for _, stray := range r.launcher.strays() {
		p, ok := look(stray)
		if !ok || p.state == 'Z' && len(children(stray)) == 0 {
			continue
		}
		if p.session == r.pid || p.group == r.pid || variable(stray, runVariable) == r.name {
			all = append(all, tree(stray)...)
		}
	}
	return all
}
