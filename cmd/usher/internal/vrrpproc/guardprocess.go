package vrrpproc

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"usher/vrrp/engine"
	"usher/vrrp/socket"
	"usher/vrrp/vip"
	"usher/vrrp/vip/rtnl"
)

// GuardCommand is the word by which the program becomes a guard.
const GuardCommand = "vrrp-guard"

// ChildCommand is the word by which the program becomes a VRRP process.
const ChildCommand = "vrrp-child"

// guardParentFD and guardChildFD are where a guard finds its connections.
const (
	guardParentFD = 3
	guardChildFD  = 4
	guardSignFD   = 5
	guardLockFD   = 6 // where there is one; it is kept open and nothing more
)

// guardGC is how much garbage may gather in a guard, in percent of what lives.
const guardGC = 20

// detached is the first of the guard's words once it is nobody's child.
const detached = "detached"

// Guard is the guard's process: the words after GuardCommand are its flags. It returns
// the exit status, where it does not become `usher withdraw` when it is the last of three.
// The first process of that name starts the guard, says its process id on stdout and ends,
// so that the guard is not among the children of the parent: what kills a daemon and all
// its children, as service managers and people do, leaves it.
// Of the log that logger makes, conceal is GuardOptions.Conceal.
func Guard(args []string, stdout, stderr io.Writer, logger func(level, format string) (log *slog.Logger, conceal func([]string), err error)) int {
	IgnoreSignals() // it ends when the others have
	if len(args) == 0 || args[0] != detached {
		if err := detach(args, stdout, stderr); err != nil {
			fmt.Fprintf(stderr, "usher: guard: %v\n", err)
			return 1
		}
		return 0
	}
	args = args[1:]
	debug.SetGCPercent(guardGC)
	_ = os.WriteFile("/proc/self/comm", []byte(guardName), 0)
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0) // with CAP_SYS_RESOURCE
	f := flag.NewFlagSet(GuardCommand, flag.ContinueOnError)
	f.SetOutput(stderr)
	state := f.String("state", "", "as global.state")
	level, format := f.String("log-level", "info", "as global.log.level"), f.String("log-format", "text", "as global.log.format")
	if err := f.Parse(args); err != nil {
		return 2
	}
	log, conceal, err := logger(*level, *format)
	if err == nil {
		log = log.With("process", "guard")
		err = serveGuard(log, conceal, *state)
	}
	if err != nil {
		fmt.Fprintf(stderr, "usher: %v\n", err)
		return 1
	}
	return 0
}

// detach starts this program again as the guard, with the files that this process has.
func detach(args []string, stdout, stderr io.Writer) error {
	// The little that the guard has would take whole huge pages, of 2 MB each, where the
	// kernel gives them to everybody, as Debian's does. What this process starts has none
	// from its first page on (PR_SET_THP_DISABLE outlives execve(2)); an old kernel, or one
	// without them, refuses, and nothing is lost.
	_ = unix.Prctl(unix.PR_SET_THP_DISABLE, 1, 0, 0, 0)
	cmd := exec.Command("/proc/self/exe", slices.Concat([]string{GuardCommand, detached}, args)...)
	cmd.Args[0] = os.Args[0]
	cmd.Stderr = stderr
	for fd := guardParentFD; fd <= guardLockFD; fd++ {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC != 0 {
			break // there is no lock; a descriptor there is the runtime's own
		}
		cmd.ExtraFiles = append(cmd.ExtraFiles, os.NewFile(uintptr(fd), "inherited"))
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(stdout, cmd.Process.Pid)
	return err
}

func serveGuard(log *slog.Logger, conceal func([]string), state string) error {
	parent, err := inherited(guardParentFD)
	if err != nil {
		return err
	}
	child, err := inherited(guardChildFD)
	if err != nil {
		return err
	}
	sign, err := inheritedLifeSign(guardSignFD)
	if err != nil {
		return err
	}
	sender, err := socket.OpenSender()
	if err != nil {
		return err
	}
	defer sender.Close()
	kernel, err := rtnl.Open()
	if err != nil {
		return err
	}
	defer func() { _ = kernel.Close() }()
	socket.Realtime(log)
	abandoned := RunGuard(GuardOptions{
		Log: log, Conceal: conceal, Child: child, Parent: parent, Watch: watchProcess, Rest: shrink, Idle: sign.age, Stamps: sign,
		Send:   func(out engine.Outgoing) error { return sender.Send(out) },
		Remove: func(o vip.Object) error { return kernel.Remove(o) },
	})
	if !abandoned || state == "" {
		return nil
	}
	// What it becomes takes the lock itself.
	unix.CloseOnExec(guardLockFD)
	// Nobody else is left. What remains are routes, rules, devices and settings.
	if err := unix.Dup2(2, 1); err != nil {
		return err
	}
	return syscall.Exec("/proc/self/exe", []string{"usher", "withdraw", "--state", state}, os.Environ())
}

// watchProcess holds on to a process, whose number may be another's once it has ended.
func watchProcess(pid int) (kill func()) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil
	}
	return func() {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // it has ended already
		_ = unix.Close(fd)
	}
}

// shrink gives back the memory that the start of the program took. Its file's pages are
// read again, from the page cache where the other processes of it keep them.
func shrink() {
	debug.FreeOSMemory()
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	for _, r := range asInFile(string(maps)) {
		// Where it is refused, nothing is gained.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, r.from, r.to-r.from, unix.MADV_DONTNEED)
	}
}

// span is a part of the process's memory, up to and without to.
type span struct{ from, to uintptr }

// asInFile lists the parts of a process's memory that can be read again from their
// files, by its /proc/PID/smaps: nobody may write there, and nobody has. The loader of
// a program with shared libraries writes addresses into parts that it then makes read-only.
func asInFile(smaps string) (all []span) {
	var part span
	var kept bool // of a file, read-only, and unchanged as far as was read
	for line := range strings.Lines(smaps) {
		var offset, inode uint64
		var next span
		var access, device, path string
		if n, _ := fmt.Sscanf(line, "%x-%x %s %x %s %d %s", &next.from, &next.to, &access, &offset, &device, &inode, &path); n >= 6 {
			part, kept = next, access[1] == '-' && inode != 0
			continue
		}
		f := strings.Fields(line)
		switch {
		case len(f) > 1 && (f[0] == "Anonymous:" || f[0] == "Swap:") && f[1] != "0":
			kept = false
		case len(f) > 0 && f[0] == "VmFlags:" && kept: // the last line of each
			all = append(all, part)
		}
	}
	return all
}

// inherited is the connection that this process was started with at a file descriptor.
func inherited(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "inherited")
	if f == nil {
		return nil, fmt.Errorf("vrrp: no socket at file descriptor %d: this process is started by usher run alone", fd)
	}
	defer func() { _ = f.Close() }()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("vrrp: no socket at file descriptor %d (this process is started by usher run alone): %w", fd, err)
	}
	return conn, nil
}
