package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"usher/test/lab"
)

// bench is a lab with two routers of one program: B always runs, A is active and
// fails again and again.
type bench struct {
	program  program
	interval time.Duration
	lab      *lab.Lab
	a        *lab.Process
	wire     *wire
	stopSYN  context.CancelFunc
}

// limit is how long anything may take.
const limit = 60 * time.Second

func newBench(ctx context.Context, base, binary string, p program, interval time.Duration, loaded bool) (b *bench, err error) {
	// Its clients and real servers are idle; only the client is used.
	l, err := lab.New(ctx, base, lab.Options{Forward: "dr", Usher: binary})
	if err != nil {
		return nil, err
	}
	b = &bench{program: p, interval: interval, lab: l}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	for _, n := range l.Directors() {
		if err := serve(n); err != nil {
			return nil, err
		}
	}
	if b.wire, err = listen(l); err != nil {
		return nil, err
	}
	synCtx, stop := context.WithCancel(ctx)
	b.stopSYN = stop
	if err := knock(synCtx, l.Client); err != nil {
		return nil, err
	}
	if _, err := p.start(l.B, low, interval); err != nil {
		return nil, err
	}
	if err := b.startA(); err != nil {
		return nil, err
	}
	if loaded {
		err = startLoad(l)
	}
	return b, err
}

func (b *bench) close() error {
	if b.stopSYN != nil {
		b.stopSYN()
	}
	var err error
	if b.wire != nil {
		err = b.wire.close()
	}
	return errors.Join(err, b.lab.Close())
}

// startA starts the router of the higher priority and waits until it alone speaks.
func (b *bench) startA() (err error) {
	if b.a, err = b.program.start(b.lab.A, high, b.interval); err != nil {
		return err
	}
	return b.settled()
}

// settled waits until A alone has been speaking for a while.
func (b *bench) settled() error {
	return until("the router of the higher priority is active", func() bool {
		return b.wire.alone(b.wire.macA, 5*b.interval+100*time.Millisecond)
	})
}

// failover makes A fail and measures how B takes over, then brings A back.
func (b *bench) failover(ctx context.Context, kind string) (result, error) {
	// At any point of the interval.
	if err := pause(ctx, rand.N(b.interval)); err != nil {
		return result{}, err
	}
	b.wire.reset()
	if err := b.fail(kind); err != nil {
		return result{}, err
	}
	if err := until("the router of the lower priority has taken over", b.wire.taken); err != nil {
		return result{}, err
	}
	r := b.wire.result(b.interval)
	if kind == "cut" {
		if err := b.lab.Mend(b.lab.A, "eth0"); err != nil {
			return r, err
		}
		return r, b.settled()
	}
	return r, b.startA()
}

func (b *bench) fail(kind string) error {
	switch kind {
	case "kill":
		return killAll(b.a.PID())
	case "stop":
		return b.a.Stop()
	case "cut":
		return b.lab.Cut(b.lab.A, "eth0")
	}
	return fmt.Errorf("there is no failure %q", kind)
}

// killAll kills every process in the network namespace of one, those it
// started first: nothing gets to say goodbye.
func killAll(pid int) error {
	ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return err
	}
	links, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		return err
	}
	var pids []int
	for _, link := range links {
		if other, err := os.Readlink(link); err == nil && other == ns {
			p, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(link))))
			if err == nil && p != os.Getpid() {
				pids = append(pids, p)
			}
		}
	}
	slices.Sort(pids)
	for _, p := range slices.Backward(pids) {
		if err := syscall.Kill(p, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// until looks every few milliseconds whether something has come about.
func until(what string, ok func() bool) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(limit)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			return fmt.Errorf("%s: not within %v", what, limit)
		}
	}
	return nil
}
