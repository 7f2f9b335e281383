package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"usher/director/ipvs"
	"usher/test/lab"
)

// patience is how long one step may take.
const patience = 10 * time.Minute

// bench is a namespace in which the programs run one after the other, and in which
// every server answers.
type bench struct {
	lab    *lab.Lab
	node   *lab.Node
	kernel *ipvs.Kernel
	web    net.Listener
}

func open(ctx context.Context, base, usher string) (*bench, error) {
	l, err := lab.New(ctx, base, lab.Options{Usher: usher})
	if err != nil {
		return nil, err
	}
	b := &bench{lab: l, node: l.A}
	if err := b.prepare(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	go func() {
		for {
			c, err := b.web.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	return b, nil
}

// prepare has every server's address answer on this very node.
func (b *bench) prepare(ctx context.Context) error {
	if err := b.node.IP(ctx, "link", "set", "lo", "up"); err != nil {
		return err
	}
	if err := b.node.IP(ctx, "route", "add", "local", "10.0.0.0/8", "dev", "lo"); err != nil {
		return err
	}
	return b.node.Do(func() (err error) {
		if b.kernel, err = ipvs.Open(); err != nil {
			return err
		}
		b.web, err = net.Listen("tcp4", "0.0.0.0:80")
		return err
	})
}

func (b *bench) close() error { return errors.Join(b.web.Close(), b.kernel.Close(), b.lab.Close()) }

// result is one program's times.
type result struct {
	start      time.Duration
	reloads    []time.Duration
	operations string // of the last reload, where the program counts them
}

// trial starts a program on an empty table and waits until it is complete; then
// changes one weight, some times over, each time until the kernel has it.
func (b *bench) trial(ctx context.Context, p program, what plan, reloads int) (r result, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	what.weight = 1
	if err := p.write(b.node, what); err != nil {
		return r, err
	}
	begin := time.Now()
	process, err := p.start(b.node)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, b.clean(ctx, process)) }()
	if err := b.await(ctx, process, b.complete(what.services)); err != nil {
		return r, err
	}
	r.start = time.Since(begin)
	for range reloads {
		what.weight++
		if err := b.reload(ctx, p, process, what, &r); err != nil {
			return r, err
		}
	}
	return r, nil
}

// reload waits until the program rests, its first checks among it, and changes one weight.
func (b *bench) reload(ctx context.Context, p program, process *lab.Process, what plan, r *result) error {
	if err := rest(ctx, process); err != nil {
		return err
	}
	before, err := p.operations(ctx, b.node)
	if err != nil {
		return err
	}
	if err := p.write(b.node, what); err != nil {
		return err
	}
	begin := time.Now()
	if err := process.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	if err := b.await(ctx, process, b.changed(what)); err != nil {
		return err
	}
	r.reloads = append(r.reloads, time.Since(begin))
	after, err := p.operations(ctx, b.node)
	r.operations = difference(before, after)
	return err
}

// clean ends a program in no time, and leaves nothing of it to the next.
func (b *bench) clean(ctx context.Context, p *lab.Process) error {
	p.Reap()
	_, err := b.node.Output(ctx, "ipvsadm", "-C")
	return errors.Join(err, os.RemoveAll(filepath.Join(b.node.Dir, "lib")), os.RemoveAll(filepath.Join(b.node.Dir, "run")))
}

// await looks at the kernel until it is as wanted. It looks rarely enough to leave
// the processors to those who are measured, nine tenths of the time of one.
func (b *bench) await(ctx context.Context, p *lab.Process, ok func() (bool, error)) error {
	for {
		began := time.Now()
		if done, err := ok(); err != nil || done {
			return err
		}
		select {
		case <-p.Done():
			return fmt.Errorf("it ended:\n%s", p.Tail(20))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(max(5*time.Millisecond, 9*time.Since(began))):
		}
	}
}

// complete tells a whole table by its number of servers; one more line is the head.
func (b *bench) complete(services int) func() (bool, error) {
	return func() (done bool, err error) {
		err = b.node.Do(func() error {
			table, err := os.ReadFile("/proc/thread-self/net/ip_vs")
			done = strings.Count(string(table), "->") == services*servers+1
			return err
		})
		return done, err
	}
}

// changed tells that the last server of the last service has its new weight.
func (b *bench) changed(what plan) func() (bool, error) {
	addr, port := service(what.services - 1)
	key := ipvs.AddressKey(ipvs.TCP, netip.AddrPortFrom(netip.MustParseAddr(addr), uint16(port)))
	dest := ipvs.DestinationKey{Address: netip.MustParseAddr(server(what.services-1, servers-1)), Port: 80}
	return func() (bool, error) {
		all, err := b.kernel.Destinations(key)
		return all[dest].Weight == uint32(what.weight), err
	}
}
