package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a program that runs inside a node until it is ended.
type Process struct {
	Name string
	Log  string // file with its output

	cmd  *exec.Cmd
	done chan struct{}
	err  error // of Wait; read after done

	lab    *Lab
	reaped sync.Once // a group's number may be given away again
}

// stopLimit is how long a program may take to end after SIGTERM.
const stopLimit = 20 * time.Second

// Start runs a program inside the node. Its output goes to NAME.log in the node's
// folder, appended to what an earlier process of that name wrote.
func (n *Node) Start(name string, args ...string) (*Process, error) {
	cmd := command(context.Background(), args)
	cmd.Dir = n.Dir
	return n.startProcess(name, cmd)
}

func (n *Node) startProcess(name string, cmd *exec.Cmd) (*Process, error) {
	p := &Process{Name: n.Name + "/" + name, Log: filepath.Join(n.Dir, name+".log"), cmd: cmd, done: make(chan struct{}), lab: n.lab}
	log, err := os.OpenFile(p.Log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := n.start(cmd); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	n.lab.track(p)
	return p, nil
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Signal sends a signal to the process alone, not to what it started.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Kill ends the process at once with SIGKILL and waits for its end. What it
// started is left alone.
func (p *Process) Kill() error {
	p.lab.adopt(Family(p.PID()))
	if err := p.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.done
	return nil
}

// Stop asks the process to end with SIGTERM, waits, and returns an error if it
// took too long (it is killed then) or ended in another way than well.
func (p *Process) Stop() error {
	if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
	case <-time.After(stopLimit):
		if err := p.Kill(); err != nil {
			return err
		}
		return fmt.Errorf("%s: did not end within %s of SIGTERM", p.Name, stopLimit)
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() && ws.Signal() == syscall.SIGTERM {
			return nil // it has no handler of its own
		}
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w", p.Name, p.err)
	}
	return nil
}

// ExitCode waits for the end and returns the exit status, -1 after a signal. A
// process that goes on for WaitLimit is killed.
func (p *Process) ExitCode() int {
	select {
	case <-p.done:
	case <-time.After(WaitLimit):
		p.Reap()
	}
	return p.cmd.ProcessState.ExitCode()
}

// Tail returns the last lines that the process wrote.
func (p *Process) Tail(lines int) string {
	b, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Reap ends a process and all that it started with SIGKILL, whatever state they
// are in. They are stopped first, so that none outlives another for as long as it
// takes to do something about it: usher's child would resign.
func (p *Process) Reap() {
	p.reaped.Do(func() {
		var family []int
		if !p.ended() {
			family = Family(p.PID())
		}
		for _, signal := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} {
			syscall.Kill(-p.PID(), signal) // its process group
			for _, pid := range family {
				syscall.Kill(pid, signal)
			}
		}
		<-p.done
		bury(family)
	})
}

func (p *Process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}
