package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"usher/test/lab"
)

// patience is how long one step may take.
const patience = 10 * time.Minute

// poll is the time between two looks at the kernel's table.
const poll = 10 * time.Millisecond

// result is one program's times at one size.
type result struct {
	start, reload time.Duration
	operations    string // of the reload, where the program counts them
}

// trial starts a program in a fresh namespace, waits until its table is complete,
// changes one weight and waits until the kernel has it.
func trial(ctx context.Context, base, usher string, p program, services int) (r result, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	l, err := lab.New(ctx, base, lab.Options{Usher: usher})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if err := p.write(l.A, services, 1); err != nil {
		return r, err
	}
	begin := time.Now()
	process, err := p.start(l.A)
	if err != nil {
		return r, err
	}
	if err := await(ctx, l.A, process, complete(services)); err != nil {
		return r, err
	}
	r.start = time.Since(begin)
	before, err := p.operations(ctx, l.A)
	if err != nil {
		return r, err
	}
	if err := p.write(l.A, services, changed); err != nil {
		return r, err
	}
	begin = time.Now()
	if err := process.Signal(syscall.SIGHUP); err != nil {
		return r, err
	}
	if err := await(ctx, l.A, process, hasChange); err != nil {
		return r, err
	}
	r.reload = time.Since(begin)
	after, err := p.operations(ctx, l.A)
	if err != nil {
		return r, err
	}
	r.operations = difference(before, after)
	return r, nil
}

// await looks at the kernel's table until it is as wanted.
func await(ctx context.Context, n *lab.Node, p *lab.Process, ok func(table string) bool) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		var table []byte
		err := n.Do(func() (err error) {
			table, err = os.ReadFile("/proc/thread-self/net/ip_vs")
			return err
		})
		if err != nil {
			return err
		}
		if ok(string(table)) {
			return nil
		}
		select {
		case <-p.Done():
			return fmt.Errorf("it ended:\n%s", p.Tail(20))
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// complete tells a whole table by its number of servers; one more line is the head.
func complete(services int) func(string) bool {
	return func(table string) bool { return strings.Count(table, "->") == services*servers+1 }
}

// hasChange tells a table with the changed weight, which no other server has.
func hasChange(table string) bool {
	return strings.Contains(table, fmt.Sprintf(" %d ", changed))
}
