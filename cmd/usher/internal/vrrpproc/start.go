package vrrpproc

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// childFD is where a child finds its end of the socket pair.
const childFD = 3

// command starts the child as a process of its own.
func command(o Options) Starter {
	return func() (Process, error) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return Process{}, fmt.Errorf("socket pair: %w", err)
		}
		theirs := os.NewFile(uintptr(fds[1]), "vrrp child")
		defer func() { _ = theirs.Close() }()
		ours := os.NewFile(uintptr(fds[0]), "vrrp parent")
		conn, err := net.FileConn(ours)
		_ = ours.Close() // conn has a copy
		if err != nil {
			return Process{}, fmt.Errorf("socket pair: %w", err)
		}
		exe, args := o.Executable, o.Args
		if exe == "" {
			// The file that runs, even if another version has replaced it on disk.
			exe = "/proc/self/exe"
		}
		if len(args) == 0 {
			args = []string{"vrrp-child"}
		}
		cmd := exec.Command(exe, args...)
		cmd.Args[0] = "usher"
		cmd.Stderr = os.Stderr
		cmd.ExtraFiles = []*os.File{theirs}
		// A group of its own: the interrupt key is for the parent, which then
		// tells the child.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			_ = conn.Close()
			return Process{}, err
		}
		return Process{Conn: conn, Wait: cmd.Wait, Kill: func() { _ = cmd.Process.Kill() }, PID: cmd.Process.Pid}, nil
	}
}

// Inherited is the connection to the parent that a child was started with.
func Inherited() (net.Conn, error) {
	f := os.NewFile(childFD, "vrrp parent")
	if f == nil {
		return nil, fmt.Errorf("vrrp: no socket at file descriptor %d: the VRRP process is started by usher run alone", childFD)
	}
	defer func() { _ = f.Close() }()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("vrrp: no socket at file descriptor %d (the VRRP process is started by usher run alone): %w", childFD, err)
	}
	return conn, nil
}
