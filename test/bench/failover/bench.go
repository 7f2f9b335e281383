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
}

// limit is how long anything may take.
const limit = 30 * time.Second

// errLimit is what took longer.
var errLimit = errors.New("not in time")

func newBench(ctx context.Context, base, binary string, p program, interval time.Duration) (b *bench, err error) {
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
	if _, err := p.start(l.B, low, interval); err != nil {
		return nil, err
	}
	return b, b.startA(ctx)
}

func (b *bench) close() error {
	var err error
	if b.wire != nil {
		err = b.wire.close()
	}
	return errors.Join(err, b.lab.Close())
}

// startA starts the router of the higher priority and waits until it alone speaks.
func (b *bench) startA(ctx context.Context) (err error) {
	if b.a, err = b.program.start(b.lab.A, high, b.interval); err != nil {
		return err
	}
	return b.settled(ctx)
}

// settled waits until A alone has been speaking for a while.
func (b *bench) settled(ctx context.Context) error {
	return until(ctx, "the router of the higher priority is active", func() bool {
		return b.wire.alone(b.wire.macA, 2*b.interval+100*time.Millisecond)
	})
}

// early is how long before the takeover is due the client begins to connect.
const early = 50 * time.Millisecond

// failover makes A fail and measures how B takes over.
func (b *bench) failover(ctx context.Context, kind string) (result, error) {
	// The client has spoken to the VIP a moment ago: it knows A's hardware address.
	stop, err := knock(ctx, b.lab.Client)
	if err != nil {
		return result{}, err
	}
	b.wire.forget(answer)
	err = until(ctx, "the client reaches the router of the higher priority", b.wire.answers)
	stop()
	if err != nil {
		return result{}, err
	}
	// At any point of the interval.
	if err := pause(ctx, rand.N(b.interval)); err != nil {
		return result{}, err
	}
	// A false takeover a moment ago would be taken for the one that is measured.
	if err := b.settled(ctx); err != nil {
		return result{}, err
	}
	b.wire.reset()
	if kind == "stop" { // with a resignation there is no telling when the takeover is due
		if stop, err = knock(ctx, b.lab.Client); err != nil {
			return result{}, err
		}
		err = b.fail(kind)
	} else if err = b.fail(kind); err == nil {
		if err = pause(ctx, time.Until(b.wire.due(b.interval))-early); err != nil {
			return result{}, err
		}
		stop, err = knock(ctx, b.lab.Client)
	}
	if err != nil {
		stop()
		return result{}, err
	}
	defer stop()
	if err := until(ctx, "the router of the lower priority has taken over", b.wire.taken); err != nil {
		return result{}, fmt.Errorf("%w; seen from it: %s", err, b.wire.counts(b.wire.macB))
	}
	return b.wire.result(b.interval), nil
}

// mend brings A back after a failure.
func (b *bench) mend(ctx context.Context, kind string) error {
	if kind == "cut" {
		if err := b.lab.Mend(b.lab.A, "eth0"); err != nil {
			return err
		}
		return b.settled(ctx)
	}
	if kind == "stop" {
		// A program that was told to stop may take its time.
		if err := until(ctx, "the stopped program has ended", b.ended); err != nil {
			return err
		}
	}
	return b.startA(ctx)
}

func (b *bench) ended() bool {
	select {
	case <-b.a.Done():
		return true
	default:
		return false
	}
}

func (b *bench) fail(kind string) error {
	switch kind {
	case "kill":
		return killAll(b.a.PID())
	case "stop":
		return b.a.Signal(syscall.SIGTERM)
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
func until(ctx context.Context, what string, ok func() bool) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(limit)
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-end:
			return fmt.Errorf("%s: %w, %v", what, errLimit, limit)
		}
	}
	return nil
}
