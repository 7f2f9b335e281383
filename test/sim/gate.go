package sim

import (
	"context"
	"errors"
	"sync"

	"usher/director"
	"usher/director/ipvs"
	"usher/vrrp/vip"
)

// errDead is what the kernel says to a process that was killed: nothing that it
// still wants done happens.
var errDead = errors.New("sim: the process is dead")

// gate stands between a process and everything outside it. A stopped process
// (SIGSTOP) waits in it, a killed one is turned away.
type gate struct {
	mu      sync.Mutex
	dead    bool
	stopped chan struct{} // closed when the process goes on; nil while it runs
}

// alive fails once the process is dead. It does not wait, for callers that hold a
// lock, on which others would wait in a way that holds virtual time up.
func (g *gate) alive() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.dead {
		return errDead
	}
	return nil
}

// pass waits while the process is stopped, and fails once it is dead.
func (g *gate) pass() error {
	for {
		g.mu.Lock()
		dead, wait := g.dead, g.stopped
		g.mu.Unlock()
		if dead {
			return errDead
		}
		if wait == nil {
			return nil
		}
		<-wait
	}
}

// isStopped says whether whoever passes has to wait.
func (g *gate) isStopped() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stopped != nil
}

func (g *gate) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped == nil {
		g.stopped = make(chan struct{})
	}
}

func (g *gate) resume() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped != nil {
		close(g.stopped)
		g.stopped = nil
	}
}

func (g *gate) kill() {
	g.mu.Lock()
	g.dead = true
	g.mu.Unlock()
	g.resume()
}

// addresses is a machine's addresses as one of its processes reaches them.
type addresses struct {
	vip.Kernel
	*gate
}

func (a addresses) Add(o vip.Object) error {
	if err := a.pass(); err != nil {
		return err
	}
	return a.Kernel.Add(o)
}

func (a addresses) Renew(x vip.Address) error {
	if err := a.pass(); err != nil {
		return err
	}
	return a.Kernel.Renew(x)
}

func (a addresses) Remove(o vip.Object) error {
	if err := a.pass(); err != nil {
		return err
	}
	return a.Kernel.Remove(o)
}

func (a addresses) Announce(x vip.Announcement) error {
	if err := a.pass(); err != nil {
		return err
	}
	return a.Kernel.Announce(x)
}

// Watch has changes wait for a stopped process as a socket has: whoever makes them, as
// the simulation does itself, does not wait.
func (a addresses) Watch(ctx context.Context, report func(vip.Change)) error {
	queue := make(chan vip.Change, 1<<12)
	var wait sync.WaitGroup
	defer wait.Wait()
	wait.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case c := <-queue:
				if a.pass() == nil {
					report(c)
				}
			}
		}
	})
	return a.Kernel.Watch(ctx, func(c vip.Change) {
		select {
		case queue <- c:
		case <-ctx.Done():
		}
	})
}

// table is a machine's IPVS as one of its processes reaches it.
type table struct {
	director.Kernel
	*gate
}

func (t table) Read() (ipvs.Table, error) {
	if err := t.pass(); err != nil {
		return nil, err
	}
	return t.Kernel.Read()
}

func (t table) Entry(key ipvs.ServiceKey) (ipvs.Entry, bool, error) {
	if err := t.pass(); err != nil {
		return ipvs.Entry{}, false, err
	}
	return t.Kernel.Entry(key)
}

func (t table) Counters(keys ...ipvs.ServiceKey) (ipvs.CounterTable, error) {
	if err := t.alive(); err != nil {
		return nil, err
	}
	return t.Kernel.Counters(keys...)
}

func (t table) Totals() (map[ipvs.ServiceKey]ipvs.Counters, error) {
	if err := t.alive(); err != nil {
		return nil, err
	}
	return t.Kernel.Totals()
}

func (t table) Apply(ops []ipvs.Op) []error {
	if err := t.pass(); err != nil {
		errs := make([]error, len(ops))
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	return t.Kernel.Apply(ops)
}
