package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"usher/test/lab"
)

// tick is the unit of /proc/PID/stat (USER_HZ).
const tick = 10 * time.Millisecond

// rest waits until a program and its children use next to no processor.
func rest(ctx context.Context, p *lab.Process) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	last := time.Duration(-1)
	for {
		used, err := usage(p.PID())
		if err != nil {
			return err
		}
		if last >= 0 && used-last <= 5*tick {
			return nil
		}
		last = used
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until it rests: %w; the last that it said:\n%s", ctx.Err(), p.Tail(20))
		case <-p.Done():
			return fmt.Errorf("it ended:\n%s", p.Tail(20))
		case <-time.After(time.Second):
		}
	}
}

// usage is the processor time of a process and all below it.
func usage(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat is too short", pid)
	}
	var user, system int
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		return 0, err
	}
	sum := time.Duration(user+system) * tick
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0, err
	}
	for _, word := range strings.Fields(string(children)) {
		var child int
		if _, err := fmt.Sscan(word, &child); err != nil {
			return 0, err
		}
		below, err := usage(child)
		if err != nil && !os.IsNotExist(err) { // it may end at any time
			return 0, err
		}
		sum += below
	}
	return sum, nil
}

// calm waits until this machine has next to nothing to do: what the trial before has
// left in the kernel is taken down in the background.
func calm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	last := time.Duration(-1)
	for {
		busy, err := busy()
		if err != nil {
			return err
		}
		if last >= 0 && busy-last <= 10*tick {
			return nil
		}
		last = busy
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until the machine is calm: %w", ctx.Err())
		case <-time.After(time.Second):
		}
	}
}

// busy is the time that all processors together did not idle (proc_stat(5)).
func busy() (time.Duration, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	const idle, iowait = 4, 5
	var sum time.Duration
	for i, word := range strings.Fields(line) {
		if i == 0 || i == idle || i == iowait {
			continue
		}
		n, err := strconv.ParseUint(word, 10, 63)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}
