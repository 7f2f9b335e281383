package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/prometheus/procfs"

	"usher/test/lab"
)

// tick is the unit in which the kernel counts processor time (USER_HZ).
const tick = 10 * time.Millisecond

// rest waits until a program and its children use next to no processor.
func rest(ctx context.Context, p *lab.Process) error {
	err := lull(ctx, p.Done(), 5*tick, func() (time.Duration, error) { return usage(p.PID()) })
	if err != nil {
		return fmt.Errorf("wait until it rests: %w; the last that it said:\n%s", err, p.Tail(20))
	}
	return nil
}

// calm waits until this machine has next to nothing to do: what the trial before has
// left in the kernel is taken down in the background, and the lab of this one made.
func calm(ctx context.Context) error {
	if err := lull(ctx, nil, 10*tick, busy); err != nil {
		return fmt.Errorf("wait until the machine is calm: %w", err)
	}
	return nil
}

// lull waits until used grows by little at the most in a second. It is an error if
// over is closed before.
func lull(ctx context.Context, over <-chan struct{}, little time.Duration, used func() (time.Duration, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	last := time.Duration(-1)
	for {
		now, err := used()
		if err != nil {
			return err
		}
		if last >= 0 && now-last <= little {
			return nil
		}
		last = now
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over:
			return errors.New("it ended")
		case <-time.After(time.Second):
		}
	}
}

// usage is the processor time of a process and all below it.
func usage(pid int) (time.Duration, error) {
	used, err := below(pid, func(s procfs.ProcStat) float64 { return s.CPUTime() })
	return seconds(used), err
}

// memory is what a process and all below it have in memory, in bytes.
func memory(pid int) (int, error) {
	used, err := below(pid, func(s procfs.ProcStat) float64 { return float64(s.ResidentMemory()) })
	return int(used), err
}

// below adds up something of a process and all below it.
func below(pid int, of func(procfs.ProcStat) float64) (float64, error) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return 0, err
	}
	stat, err := proc.Stat()
	if err != nil {
		return 0, err
	}
	sum := of(stat)
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0, err
	}
	for _, word := range strings.Fields(string(children)) {
		var child int
		if _, err := fmt.Sscan(word, &child); err != nil {
			return 0, err
		}
		more, err := below(child, of)
		if err != nil && !os.IsNotExist(err) { // it may end at any time
			return 0, err
		}
		sum += more
	}
	return sum, nil
}

// busy is the time that all processors together did not idle (proc_stat(5)).
func busy() (time.Duration, error) {
	all, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, err
	}
	stat, err := all.Stat()
	if err != nil {
		return 0, err
	}
	t := stat.CPUTotal
	return seconds(t.User + t.Nice + t.System + t.IRQ + t.SoftIRQ + t.Steal), nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
