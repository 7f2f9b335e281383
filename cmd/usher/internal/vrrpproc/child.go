package vrrpproc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"usher/vrrp"
	"usher/vrrp/engine"
	"usher/vrrp/socket"
	"usher/vrrp/vip"
	"usher/vrrp/vip/rtnl"
)

// Loop is the loop that runs the engine: socket.Loop, or one in virtual time.
type Loop interface {
	// Run runs until the context ends; then all instances resign.
	Run(ctx context.Context) error
	// Apply makes d what runs.
	Apply(ctx context.Context, d vrrp.Desired) error
	// Do runs f on the loop, in order, after all that has been received, without
	// waiting for it.
	Do(f func(now time.Time, e *engine.Engine))
	// Call runs f on the loop and waits for it.
	Call(ctx context.Context, f func(now time.Time, e *engine.Engine)) error
}

// ChildOptions are the parts of a child process.
type ChildOptions struct {
	Log    *slog.Logger
	Kernel vip.Kernel
	Bells  []vip.Wakeup // as in vip.Options
	// Conceal takes the values that Log does not show from now on; nil where it shows all.
	Conceal func([]string)
	// Recover puts back the kernel settings that a process before this one left
	// changed, and gives what it put back; nil where there are none.
	Recover func() ([]string, error)
	// Guard is the connection to the process that resigns for this one if it dies; nil
	// where there is none.
	Guard net.Conn
	// Loop makes the loop, which sets and announces through the manager. To will, which
	// is nil without a guard, it tells what engine.Options say.
	Loop func(m *vip.Manager, events func(vrrp.Event), will func(string, []engine.Outgoing)) Loop
}

// What child and guard are called in the list of processes.
const (
	childName = "usher-vrrp"
	guardName = "usher-guard"
)

// minProcs is how many goroutines of the child can run at once, at least.
const minProcs = 6

// Child is the VRRP process: it serves the parent that started it with the kernel and
// the wires of this machine, as RunChild says. In the state folder it keeps what
// kernel settings were before it changed them. conceal is ChildOptions.Conceal.
func Child(ctx context.Context, in Inheritance, log *slog.Logger, conceal func([]string), state string) error {
	// With a processor for each CPU only, the two threads of the loop and those of
	// the holder, which spin or block in system calls that hold one, could make the
	// rest wait.
	runtime.GOMAXPROCS(max(minProcs, runtime.GOMAXPROCS(0)))
	// It was started as /proc/self/exe, which ps and systemd would call it by. By its name
	// the next daemon knows it, should it outlive this one.
	_ = os.WriteFile("/proc/self/comm", []byte(childName), 0)
	kernel, err := rtnl.Open()
	if err != nil {
		return err
	}
	bells, err := socket.Wakeups()
	if err != nil {
		return errors.Join(err, kernel.Close())
	}
	kernel.Remember(rtnl.JournalFile(state), func(err error) {
		if err == nil {
			log.Info("vrrp: what kernel settings were is written down again")
			return
		}
		log.Error("vrrp: kernel settings that are changed for virtual addresses would stay after a crash; all else goes on", "error", err)
	})
	if err := kernel.RememberAdded(rtnl.AddedFile(state)); err != nil {
		log.Error("vrrp: addresses without a lease would stay after a crash", "error", err)
	}
	err = RunChild(ctx, in.Parent, ChildOptions{
		Log: log, Conceal: conceal, Kernel: kernel, Bells: []vip.Wakeup{bells[0], bells[1]}, Guard: in.Guard,
		Recover: func() ([]string, error) { return rtnl.Recover(rtnl.JournalFile(state)) },
		Loop: func(m *vip.Manager, events func(vrrp.Event), will func(string, []engine.Outgoing)) Loop {
			return socket.New(socket.Options{Log: log, Holder: m, Events: events, Will: will, Alive: in.sign.give, Stamps: in.sign, Ours: kernel.Added, Realtime: true})
		},
	})
	return errors.Join(err, bells[0].Close(), bells[1].Close(), kernel.Close())
}

// child is the running VRRP process.
type child struct {
	log     *slog.Logger
	conceal func([]string)
	kernel  vip.Kernel
	recover func() ([]string, error)
	hold    *vip.Manager
	loop    Loop
	out     *outbox
	wills   *wills
	have    map[string]vrrp.Config
}

// RunChild serves the parent on conn until the context ends, the parent says
// stop, or the connection does; then all instances resign and all that is held is
// removed before it closes the connection and returns.
func RunChild(ctx context.Context, conn net.Conn, o ChildOptions) error {
	if o.Conceal == nil {
		o.Conceal = func([]string) {}
	}
	c := &child{log: o.Log, conceal: o.Conceal, kernel: o.Kernel, recover: o.Recover, out: newOutbox(), wills: newWills(os.Getpid())}
	events := func(e vrrp.Event) { c.out.put(message{Event: &e}) }
	holding := vip.Options{Kernel: o.Kernel, Log: o.Log, Events: events, Confirm: c.confirm, Unheld: c.unheld, Wakeups: o.Bells}
	var resignation func(string, []engine.Outgoing)
	if o.Guard != nil {
		holding.Will, resignation = c.wills.objects, c.wills.resignation
	}
	c.hold = vip.New(holding)
	c.loop = o.Loop(c.hold, events, resignation)

	// Three lives, one inside the other: the loop resigns while the holder
	// still removes, and both are told to the parent.
	var writer, testator, holder, worker errgroup.Group
	writeCtx, endWrite := context.WithCancel(context.WithoutCancel(ctx))
	defer endWrite()
	writer.Go(func() error { return c.out.run(writeCtx, conn) })
	if o.Guard != nil {
		testator.Go(func() error { return c.wills.run(writeCtx, o.Guard) })
	}
	holdCtx, endHold := context.WithCancel(context.WithoutCancel(ctx))
	defer endHold()
	holder.Go(func() error { return c.hold.Run(holdCtx) })
	loopCtx, endLoop := context.WithCancel(ctx)
	defer endLoop()
	worker.Go(func() error {
		defer endLoop()
		return c.loop.Run(loopCtx)
	})
	worker.Go(func() error {
		defer endLoop()
		return c.serve(loopCtx, conn)
	})
	stopRead := context.AfterFunc(loopCtx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stopRead()

	err := worker.Wait()
	endHold()
	err = errors.Join(err, holder.Wait())
	endWrite()
	// The last words are lost where the parent is gone; nothing depends on them.
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	_ = writer.Wait()
	if o.Guard != nil {
		// A guard that does not read finds the end, with a will that asks for nothing that
		// is not done already.
		_ = o.Guard.SetDeadline(time.Now().Add(time.Second))
		_ = testator.Wait()
		_ = o.Guard.Close()
	}
	if err != nil {
		o.Log.Error("vrrp: the VRRP process ends", "error", err)
	}
	// By this the parent knows that everything is done; it need not wait for the
	// end of the process.
	return errors.Join(err, conn.Close())
}

// confirm is hold's question whether an instance is still active, asked after a
// late wake: the loop answers when it has read all that came in meanwhile.
func (c *child) confirm(name string) {
	c.loop.Do(func(now time.Time, e *engine.Engine) {
		for _, s := range e.Status(now) {
			if s.Name == name {
				c.hold.Set(name, s.Held)
			}
		}
	})
}

// unheld has an instance give way that lacks something, and come back once it does not.
func (c *child) unheld(name, reason string) {
	c.loop.Do(func(now time.Time, e *engine.Engine) { e.Unheld(now, name, reason) })
}

// serve handles the parent's messages, in order, until it says stop or is gone.
func (c *child) serve(ctx context.Context, conn net.Conn) error {
	// The loop reads all interfaces when it starts; none shall be made meanwhile.
	if err := c.loop.Call(ctx, func(time.Time, *engine.Engine) {}); err != nil {
		return nil // it ended, and says why itself
	}
	r := bufio.NewReader(conn)
	for {
		m, err := readMessage(r)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.ErrClosedPipe):
			c.log.Warn("vrrp: the main process is gone; all instances resign")
			return nil
		case err != nil:
			return err
		case m.Stop:
			c.handOver(ctx)
			return nil
		}
		answer, err := c.handle(ctx, m)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			answer.Error = err.Error()
		}
		switch {
		case m.ID != 0:
			c.out.put(message{ID: m.ID, Reply: &answer})
		case errors.As(err, new(*idleError)):
			return err // nobody hears of it: the next process may have more luck
		case err != nil:
			c.log.Error("vrrp: a message of the main process", "error", err)
		}
	}
}

// idleError says that a configuration is not in force: no instance follows it.
type idleError struct{ err error }

func (e *idleError) Error() string { return e.err.Error() }
func (e *idleError) Unwrap() error { return e.err }

// handle does what one message asks for.
func (c *child) handle(ctx context.Context, m message) (answer reply, err error) {
	call := func(f func(now time.Time, e *engine.Engine)) {
		if e := c.loop.Call(ctx, f); e != nil {
			err = e
		}
	}
	switch {
	case m.Apply != nil:
		c.conceal(m.Secrets) // first: what is applied may hold them
		c.wills.conceal(m.Secrets)
		err = c.apply(ctx, *m.Apply)
	case m.Track != nil:
		t := *m.Track
		c.loop.Do(func(now time.Time, e *engine.Engine) { e.Track(now, t.Instance, t.Key, t.Adjustment) })
	case m.Witness != nil:
		w := *m.Witness
		c.loop.Do(func(now time.Time, e *engine.Engine) { e.Witness(now, w.Instance, w.Reachable) })
	case m.Failover != nil:
		call(func(now time.Time, e *engine.Engine) { err = e.Failover(now, *m.Failover) })
	case m.Maintenance != nil:
		call(func(now time.Time, e *engine.Engine) { e.Maintenance(now, *m.Maintenance) })
	case m.Stay:
		call(func(now time.Time, e *engine.Engine) { e.Stay(now) })
	case m.Status:
		call(func(now time.Time, e *engine.Engine) { answer.Status = e.Status(now) })
		for i := range answer.Status {
			answer.Status[i].Held = c.hold.Held(answer.Status[i].Name)
			answer.Status[i].Stats.Repairs = c.hold.Repairs(answer.Status[i].Name)
		}
	default:
		err = fmt.Errorf("vrrp process: message without a meaning")
	}
	return answer, err
}

// apply brings all to a new configuration: first what is to be held, then the
// machines, then what is gone, which has resigned by then.
func (c *child) apply(ctx context.Context, d vrrp.Desired) error {
	c.cleanup(ctx, d)
	c.wills.configure(d.Instances)
	var errs []error
	want := map[string]vrrp.Config{}
	for _, cfg := range d.Instances {
		want[cfg.Name] = cfg
		// An interface that is not there holds its instances in fault; that is
		// for the engine to say, once.
		if err := c.hold.Configure(cfg); err != nil && !errors.Is(err, syscall.ENODEV) {
			errs = append(errs, err)
		}
	}
	err := c.loop.Apply(ctx, d)
	for name := range c.have {
		if _, ok := want[name]; !ok {
			c.hold.Remove(name)
		}
	}
	c.have = want
	if err != nil {
		err = &idleError{err}
	}
	return errors.Join(append(errs, err)...)
}

// cleanup removes what a process before this one left of the instances that are
// new to it.
func (c *child) cleanup(ctx context.Context, d vrrp.Desired) {
	if len(c.have) > 0 {
		return
	}
	removed, err := vip.Cleanup(ctx, c.kernel, d.Instances)
	for _, o := range removed {
		c.log.Warn("vrrp: removed a leftover", "object", o.String())
	}
	if err != nil {
		c.log.Error("vrrp: clean-up of leftovers", "error", err)
	}
	if c.have == nil {
		// After the addresses: while those are there, neighbours shall learn them right.
		recoverSettings(c.log, c.recover)
	}
}

// recoverSettings puts back what an earlier process changed, and says what.
func recoverSettings(log *slog.Logger, f func() ([]string, error)) {
	if f == nil {
		return
	}
	restored, err := f()
	for _, s := range restored {
		log.Warn("vrrp: put back a kernel setting of the VRRP process that is gone", "setting", s)
	}
	if err != nil {
		log.Error("vrrp: put back kernel settings", "error", err)
	}
}
