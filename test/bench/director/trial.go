package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"usher/director/ipvs"
	"usher/director/ipvs/genl"
	"usher/test/lab"
)

// patience is how long one step may take.
const patience = 3 * time.Minute

// place is a network namespace in which one program runs once, and in which every
// server answers. The next has another: a destination that was removed stays in the
// kernel's trash for minutes, which is searched for each that is added.
type place struct {
	lab    *lab.Lab
	node   *lab.Node
	kernel *genl.Kernel
	web    net.Listener
}

func open(ctx context.Context, base, usher string) (*place, error) {
	l, err := lab.New(ctx, base, lab.Options{Usher: usher})
	if err != nil {
		return nil, err
	}
	b := &place{lab: l, node: l.A}
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

// prepare has every server's address answer on this very node. The lab's networks go:
// some of the addresses would be in them, where nobody has them, and that many who are
// looked for fill the neighbour table, so that even the loopback's packets are dropped.
func (b *place) prepare(ctx context.Context) error {
	for _, link := range []string{"eth0", "eth1"} {
		if err := b.node.IP(ctx, "link", "delete", link); err != nil {
			return err
		}
	}
	if err := b.node.IP(ctx, "link", "set", "lo", "up"); err != nil {
		return err
	}
	if err := b.node.IP(ctx, "route", "add", "local", "10.0.0.0/8", "dev", "lo"); err != nil {
		return err
	}
	return b.node.Do(func() (err error) {
		if b.kernel, err = genl.Open(); err != nil {
			return err
		}
		b.web, err = net.Listen("tcp4", "0.0.0.0:80")
		return err
	})
}

func (b *place) close() error { return errors.Join(b.web.Close(), b.kernel.Close(), b.lab.Close()) }

// result is one program's times.
type result struct {
	start      time.Duration // from exec until the table is complete
	programmed time.Duration // from the first service in the table until then
	reloads    []time.Duration
	operations string // of the last reload, where the program counts them
	memory     int    // of all its processes after the reloads, resident, in bytes
}

// bench is what every trial needs.
type bench struct {
	base  string // the folder of the trials' files
	usher string // path of the program
}

// trial starts a program on an empty table and waits until it is complete; then
// changes one weight, some times over, each time until the kernel has it.
func (m bench) trial(ctx context.Context, p program, what plan, reloads int) (r result, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	b, err := open(ctx, m.base, m.usher)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	what.weight = 1
	for _, folder := range []string{"run", "lib"} {
		if err := os.MkdirAll(filepath.Join(b.node.Dir, folder, "usher"), 0o755); err != nil {
			return r, err
		}
	}
	if err := p.write(b.node, what); err != nil {
		return r, err
	}
	if err := calm(ctx); err != nil { // also after what has just been made
		return r, err
	}
	begin := time.Now()
	process, err := p.start(b.node)
	if err != nil {
		return r, err
	}
	first, err := b.await(ctx, process, "there is a service", b.begun)
	if err != nil {
		return r, err
	}
	complete, err := b.await(ctx, process, "the table is complete", b.complete(what.services))
	if err != nil {
		return r, err
	}
	r.start, r.programmed = complete.Sub(begin), complete.Sub(first)
	if reloads == 0 {
		// A keepalived that is ended while it starts leaves a child, whose services
		// then are in the way of others' in /proc/net/ip_vs.
		return r, rest(ctx, process)
	}
	for range reloads {
		what.weight++
		if err := b.reload(ctx, p, process, what, &r); err != nil {
			return r, err
		}
	}
	r.memory, err = memory(process.PID())
	return r, err
}

// reload waits until the program rests, its first checks among it, and changes one weight.
func (b *place) reload(ctx context.Context, p program, process *lab.Process, what plan, r *result) error {
	if !what.own { // whose checks do not let it rest
		if err := rest(ctx, process); err != nil {
			return err
		}
	}
	if all, err := b.complete(what.services)(); err != nil || !all {
		return errors.Join(err, fmt.Errorf("servers that answer were taken out; the last that it said:\n%s", process.Tail(20)))
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
	changed, err := b.await(ctx, process, "the weight is changed", b.changed(what))
	if err != nil {
		return err
	}
	r.reloads = append(r.reloads, changed.Sub(begin))
	after, err := p.operations(ctx, b.node)
	r.operations = difference(before, after)
	return err
}

// seldom is how long await does not look at the most: what it sees is late by that.
const seldom = 100 * time.Millisecond

// await looks at the kernel until it is as wanted, and gives when the look that saw it
// began: to look takes long in a large table, and is no time of theirs. It looks rarely
// enough to leave the processors to those who are measured, nine tenths of the time of one.
func (b *place) await(ctx context.Context, p *lab.Process, what string, ok func() (bool, error)) (began time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		began = time.Now()
		done, err := ok()
		if errors.Is(err, unix.EAGAIN) { // the table changes while it is read
			done, err = false, nil
		}
		if err != nil || done {
			return began, err
		}
		select {
		case <-p.Done():
			return began, fmt.Errorf("it ended:\n%s", p.Tail(20))
		case <-ctx.Done():
			return began, fmt.Errorf("wait until %s: %w; the last that it said:\n%s", what, ctx.Err(), p.Tail(20))
		case <-time.After(min(max(5*time.Millisecond, 9*time.Since(began)), seldom)):
		}
	}
}

// begun tells that there is a service.
func (b *place) begun() (bool, error) {
	all, err := b.kernel.Totals()
	return len(all) > 0, err
}

// complete tells a whole table by its number of servers. To count them takes long, and
// both programs write services in the order of the file: so the last one is looked at
// first, and its time is the table's where the rest of it is found to be there.
// (/proc/net/ip_vs lacks some where another network namespace has services, too.)
func (b *place) complete(services int) func() (bool, error) {
	last := serviceKey(services - 1)
	return func() (done bool, err error) {
		if e, _, err := b.kernel.Entry(last); err != nil || len(e.Destinations) < servers {
			return false, err
		}
		table, err := b.kernel.Read()
		count := 0
		for _, e := range table {
			count += len(e.Destinations)
		}
		return len(table) == services && count == services*servers, err
	}
}

// changed tells that the last server of the last service has its new weight.
func (b *place) changed(what plan) func() (bool, error) {
	key := serviceKey(what.services - 1)
	dest := ipvs.DestinationKey{Address: netip.MustParseAddr(server(what.services-1, servers-1)), Port: 80}
	return func() (bool, error) {
		e, _, err := b.kernel.Entry(key)
		return e.Destinations[dest].Weight == uint32(what.weight), err
	}
}

func serviceKey(i int) ipvs.ServiceKey {
	addr, port := service(i)
	return ipvs.AddressKey(ipvs.TCP, netip.AddrPortFrom(netip.MustParseAddr(addr), uint16(port)))
}
