package vrrpproc

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"slices"
	"time"

	"usher/vrrp/engine"
	"usher/vrrp/vip"
)

// Bounds of how long the guard lets a child go on whose parent is gone, and how long
// the end of a child that it kills may take.
const (
	patienceMost  = 500 * time.Millisecond
	patienceNone  = 2 * time.Second // of a child that holds nothing
	dieWithin     = 50 * time.Millisecond
	goodbye       = 'b' // of the parent: the child has ended, and what it held is withdrawn
	guardEndLimit = time.Second
	restAfter     = time.Second // without a word of the child
)

// GuardOptions are the parts of a guard.
type GuardOptions struct {
	Log *slog.Logger
	// Conceal takes the values that Log does not show from now on; nil where it shows all.
	Conceal func([]string)
	// Child and Parent are the connections to both; that to the child holds for all
	// guards that it has one after the other.
	Child, Parent net.Conn
	Send          func(engine.Outgoing) error
	Remove        func(vip.Object) error
	// Rest is called when the child has not said anything for a moment; nil for nothing
	// to do then.
	Rest func()
	// Idle is how long ago the child's loop was last at work; nil where nobody knows.
	Idle func() time.Duration
	// Stamps are the child's, after which signed resignations go on; nil for none.
	Stamps engine.Stamps
	// Watch begins to watch over the child of that process id, and gives what kills it.
	Watch func(pid int) (kill func())
}

// guard is the process that outlives the other two.
type guard struct {
	o    GuardOptions
	last map[string]will
	idle map[string]bool // whose addresses were removed since the loop stands still
	kill func()          // nil while the child is not known
}

// RunGuard waits for the end of a child, and removes the addresses of one that stands
// still. Where that had an active instance it resigns
// for it and removes its addresses. A child that has not resigned when its parent
// has been gone for a while, as one that is stopped, is killed before. It returns
// when the parent has taken note, or is gone: then abandoned says that what else the
// child may have left is for the guard to remove.
func RunGuard(o GuardOptions) (abandoned bool) {
	g := &guard{o: o, last: map[string]will{}, idle: map[string]bool{}}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	words, goodbyes := make(chan testament), make(chan bool, 1)
	go g.listen(ctx, words)
	go func() {
		var b [1]byte
		n, _ := o.Parent.Read(b[:])
		goodbyes <- n == 1 && b[0] == goodbye
	}()
	if err := writeTestament(o.Child, testament{Again: true}); err != nil {
		o.Log.Debug("vrrp: the guard comes too late", "error", err)
	}

	var late <-chan time.Time
	quiet, look := time.After(restAfter), time.After(g.fence())
	for alive, heard := true, false; ; {
		select {
		case t, ok := <-words:
			if ok {
				g.learn(t)
				quiet, look = time.After(restAfter), time.After(g.fence())
				continue
			}
			if alive {
				alive, words = false, nil
				abandoned = g.execute()
			}
			if heard {
				return abandoned
			}
		case polite := <-goodbyes:
			if polite && alive {
				// The end of the child is there as well, and nothing more than that.
				for t := range words {
					g.learn(t)
				}
				g.execute()
			}
			if polite {
				return false
			}
			if heard = true; !alive {
				return abandoned
			}
			late = time.After(g.patience())
		case <-quiet:
			if g.o.Rest != nil {
				g.o.Rest()
			}
		case <-look:
			look = time.After(g.fence())
		case <-late:
			o.Log.Error("vrrp: the main process is gone and the VRRP process does not resign; it is killed")
			g.killed(words)
			return true
		}
	}
}

// killed ends the child and executes its wills. It is certain not to put anything back
// only when its end has come, which can take a while.
func (g *guard) killed(words <-chan testament) {
	if g.kill != nil {
		g.kill()
	}
	last := maps.Clone(g.last)
	g.execute()
	end := time.After(dieWithin)
	for {
		select {
		case _, alive := <-words:
			if alive {
				continue
			}
		case <-end:
		}
		break
	}
	for _, w := range last {
		_ = g.withdraw(w) // told already
	}
}

// fence removes the addresses of instances whose loop has stood still for as long as
// peers wait that hear nothing: they have taken over. The child finds them gone if it goes on, and
// puts them back where it is still active. It gives the time until the next look.
func (g *guard) fence() (next time.Duration) {
	next = time.Minute
	if g.o.Idle == nil {
		return next
	}
	age := g.o.Idle()
	for name, w := range g.last {
		switch {
		case w.Down == 0:
		case age < w.Down:
			g.idle[name] = false
			next = min(next, w.Down-age)
		default:
			next = min(next, w.Down)
			if !g.idle[name] {
				g.idle[name] = true
				err := g.withdraw(w)
				g.o.Log.Error("vrrp: the VRRP process stands still; the guard has removed its addresses", "instance", name, "for", age, "error", err)
			}
		}
	}
	return next
}

// listen reads what the child says, until its end.
func (g *guard) listen(ctx context.Context, words chan<- testament) {
	defer close(words)
	r := bufio.NewReader(g.o.Child)
	for {
		t, err := readTestament(r)
		if err != nil {
			return
		}
		select {
		case words <- t:
		case <-ctx.Done():
			return
		}
	}
}

func (g *guard) learn(t testament) {
	switch {
	case len(t.Secrets) > 0 && g.o.Conceal != nil:
		g.o.Conceal(t.Secrets)
	case t.PID != 0 && g.o.Watch != nil:
		g.kill = g.o.Watch(t.PID)
	case t.Will != nil && t.Will.empty():
		delete(g.last, t.Will.Instance)
		delete(g.idle, t.Will.Instance)
	case t.Will != nil:
		g.last[t.Will.Instance] = *t.Will
		g.o.Log.Debug("vrrp: the guard has a last will", "instance", t.Will.Instance)
	}
}

// patience is how long the child may take: as long as the first of its peers allows.
func (g *guard) patience() time.Duration {
	least := patienceNone
	for _, w := range g.last {
		least = min(least, w.Down/2, patienceMost)
	}
	return least
}

// execute does what the wills say, and reports whether there was one.
func (g *guard) execute() bool {
	if len(g.last) == 0 {
		return false
	}
	var names []string
	var errs []error
	for name, w := range g.last {
		names = append(names, name)
		for _, out := range w.Resign {
			errs = append(errs, g.o.Send(engine.Sign(out, g.o.Stamps, time.Now())))
		}
	}
	for _, w := range g.last {
		errs = append(errs, g.withdraw(w))
	}
	slices.Sort(names)
	g.o.Log.Error("vrrp: the VRRP process died; the guard has resigned for it and removed its addresses", "instances", names)
	if err := errors.Join(errs...); err != nil {
		g.o.Log.Error("vrrp: the guard could not do everything", "error", err)
	}
	clear(g.last)
	return true
}

// withdraw removes the addresses of one will.
func (g *guard) withdraw(w will) error {
	var errs []error
	for _, o := range w.Addresses {
		errs = append(errs, g.remove(o))
	}
	for _, o := range w.LocalRoutes {
		errs = append(errs, g.remove(o))
	}
	return errors.Join(errs...)
}

func (g *guard) remove(o vip.Object) error {
	if err := g.o.Remove(o); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// endGuard tells a guard that all is done and waits for its end, which comes at once.
func endGuard(conn io.WriteCloser, ended <-chan struct{}, kill func()) {
	_, _ = conn.Write([]byte{goodbye}) // lost where it has ended
	limit := time.NewTimer(guardEndLimit)
	defer limit.Stop()
	select {
	case <-ended:
	case <-limit.C:
		kill()
		<-ended
	}
	_ = conn.Close()
}
