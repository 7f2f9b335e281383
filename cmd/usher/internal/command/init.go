package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// Init is the first process of a container, or of another PID namespace, which the kernel
// makes the parent of every orphan there: it runs the program itself as its only child,
// with the same arguments, hands signals on to it, waits for orphans, and gives the
// child's exit status. It is a process apart so that no exit status can be taken from
// those in the program that wait for one.
func Init(args []string, stderr io.Writer) int {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals)
	// A group of its own: what a terminal sends to this one's is handed on, once.
	child, err := os.StartProcess("/proc/self/exe", append([]string{os.Args[0]}, args...), &os.ProcAttr{
		Env: os.Environ(), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}, Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		fmt.Fprintf(stderr, "usher: as the first process: %v\n", err)
		return 1
	}
	go func() {
		for s := range signals {
			if n, ok := s.(syscall.Signal); ok && n != unix.SIGCHLD && n != unix.SIGURG && n != unix.SIGPIPE {
				_ = unix.Kill(child.Pid, n) // it has ended, and so does this
			}
		}
	}()
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			fmt.Fprintf(stderr, "usher: as the first process: wait: %v\n", err)
			return 1
		case pid == child.Pid && status.Signaled():
			return 128 + int(status.Signal())
		case pid == child.Pid:
			return status.ExitStatus()
		}
	}
}
