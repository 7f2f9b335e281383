package command

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Word is the command line's first word by which the program becomes a launcher.
const Word = "command-launcher"

// launcherFD is where a launcher finds its connection.
const launcherFD = 3

// ready is its second word once it has become a plain process.
const ready = "ready"

// Launcher is the launcher's process: args are the words after Word. It serves until its
// connection ends, ends what runs then, and gives the exit status.
func Launcher(args []string, stderr io.Writer) int {
	if err := launch(args); err != nil {
		fmt.Fprintf(stderr, "usher: commands: %v\n", err)
		return 1
	}
	return 0
}

func launch(args []string) error {
	if len(args) == 0 {
		// Schedules and capabilities belong to threads, of which the runtime has several
		// by now: the exec leaves this one alone.
		runtime.LockOSThread()
		err := errors.Join(becomePlain(), closeOnExec(launcherFD+1))
		if err != nil {
			return err
		}
		return syscall.Exec("/proc/self/exe", []string{os.Args[0], Word, ready}, nil)
	}
	_ = os.WriteFile("/proc/self/comm", []byte("usher-commands"), 0) // for people
	unix.CloseOnExec(launcherFD)
	f := os.NewFile(launcherFD, "inherited")
	conn, err := net.FileConn(f)
	_ = f.Close() // conn has a copy
	if err != nil {
		return fmt.Errorf("no socket at file descriptor %d (this process is started by usher alone): %w", launcherFD, err)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("subreaper: %w", err)
	}
	// It ends with its connection. The signals are caught, not ignored, which what it
	// starts would inherit.
	signal.Notify(make(chan os.Signal, 1), unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGABRT, unix.SIGQUIT, unix.SIGPIPE, unix.SIGUSR1, unix.SIGUSR2)
	return newLauncher(conn).serve()
}

// launcher starts programs for its connection.
type launcher struct {
	conn   net.Conn
	null   *os.File
	starts chan func() // done by the threads that start programs

	sending sync.Mutex // held over one reply
	encoder *gob.Encoder

	mu       sync.Mutex // of all that follows
	runs     map[uint64]*run
	pids     map[int]*run // those whose first process has not been waited for
	starting int          // starts under way
	// early are processes that were waited for while something was being started: one may
	// be what was started and ended before anybody knew its number.
	early map[int]unix.WaitStatus
	over  sync.WaitGroup
}

func newLauncher(conn net.Conn) *launcher {
	return &launcher{
		conn: conn, starts: make(chan func()), encoder: gob.NewEncoder(conn),
		runs: map[uint64]*run{}, pids: map[int]*run{}, early: map[int]unix.WaitStatus{},
	}
}

// serve answers requests until the connection ends.
func (l *launcher) serve() (err error) {
	if l.null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
		return err
	}
	begun := make(chan error)
	go l.starter(begun)
	if err := <-begun; err != nil {
		return err
	}
	died := make(chan os.Signal, 1)
	signal.Notify(died, unix.SIGCHLD)
	go func() {
		for range died {
			l.reap()
		}
	}()
	for decoder := gob.NewDecoder(l.conn); ; {
		var r request
		if err := decoder.Decode(&r); err != nil {
			break // usher has ended, or is to be taken so
		}
		l.handle(r)
	}
	l.mu.Lock()
	for _, r := range l.runs {
		r.stop()
	}
	l.mu.Unlock()
	l.over.Wait()
	return nil
}

func (l *launcher) handle(q request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if q.Cancel {
		if r := l.runs[q.ID]; r != nil {
			r.stop()
		}
		return
	}
	r := &run{
		launcher: l, id: q.ID, command: q.Command, name: fmt.Sprintf("%d-%d", os.Getpid(), q.ID),
		cancelled: make(chan struct{}), ended: make(chan struct{}),
	}
	l.runs[q.ID] = r
	l.over.Go(r.carryOut)
}

func (l *launcher) reply(r reply) {
	l.sending.Lock()
	defer l.sending.Unlock()
	_ = l.encoder.Encode(r) // where nobody listens, serve ends
}

// starter is a thread that starts programs: it has no capability to be inherited, and
// a root that it starts has them by being root.
func (l *launcher) starter(begun chan<- error) {
	runtime.LockOSThread()
	err := dropCapabilities()
	begun <- err
	if err != nil {
		return
	}
	for f := range l.starts {
		f()
	}
}

// start starts a run's first process.
func (l *launcher) start(r *run, file string, argv []string, attr *syscall.ProcAttr) (err error) {
	done := make(chan struct{})
	l.starts <- func() {
		defer close(done)
		l.mu.Lock()
		l.starting++
		l.mu.Unlock()
		// It waits for the exec, which may be from a disk that does not answer.
		var pid int
		pid, err = syscall.ForkExec(file, argv, attr)
		l.mu.Lock()
		defer l.mu.Unlock()
		if err == nil {
			r.pid = pid
			if status, ended := l.early[pid]; ended {
				r.finish(status)
			} else {
				l.pids[pid] = r
			}
		}
		if l.starting--; l.starting == 0 {
			clear(l.early)
		}
	}
	<-done
	return err
}

// reap waits for every process that has ended: those that were started, and those that
// became children of this process because their parents ended.
func (l *launcher) reap() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if r := l.pids[pid]; r != nil {
			delete(l.pids, pid)
			r.finish(status)
		} else if l.starting > 0 {
			l.early[pid] = status
		}
	}
}

// strays are the children of this process that it did not start.
func (l *launcher) strays() (all []int) {
	found := children(os.Getpid())
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, pid := range found {
		if l.pids[pid] == nil {
			all = append(all, pid)
		}
	}
	return all
}
