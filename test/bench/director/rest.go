package main

import (
	"context"
	"fmt"
	"os"
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
