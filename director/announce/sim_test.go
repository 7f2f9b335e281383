package announce

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// world is what surrounds a machine in the simulation: a kernel that takes its time, or
// fails, a director that clears its table as soon as it may, and the routers' view.
type world struct {
	rand *rand.Rand
	now  time.Duration
	m    Machine
	c    Conditions
	par  Parameters

	binding   bool          // the address is wanted on lo
	route     Phase         // what routers have: Down (nothing), Announced, Draining
	routeFrom time.Duration // since when
	gone      time.Duration // when it was withdrawn last
	lingers   bool          // the linger time after that is not over, by the parameters that there were
	well      time.Duration // since when nothing is in the way; never while something is
	clearing  bool          // the table is to go: a reload or the end of the daemon
	log       []entry
}

// entry is one step, for who has to understand a failure.
type entry struct {
	now     time.Duration
	c       Conditions
	m       Machine
	actions []Action
}

func (e entry) String() string {
	return fmt.Sprintf("%v %+v -> %s for %s %v", e.now, e.c, e.m.Phase(), e.m.Reason(), e.actions)
}

const never = time.Duration(1<<63 - 1)

func (w *world) step() error {
	if !w.c.servable() || w.c.planned() != ReasonNone || !w.c.Bound {
		w.well = never
	} else if w.well == never {
		w.well = w.now
	}
	next, actions := w.m.Step(Input{Conditions: w.c, Parameters: w.par}, w.now)
	w.m = next
	w.log = append(w.log, entry{w.now, w.c, next, actions})
	for _, a := range actions {
		if err := w.act(a); err != nil {
			return err
		}
	}
	return w.check()
}

// servable is written from the requirement, not from the machine's own words.
func (c Conditions) servable() bool {
	return c.Speaker && c.Table && c.Quorum && c.Instance && c.Healthy
}

func (w *world) act(a Action) error {
	switch a.Kind {
	case ActBind:
		w.binding = true
	case ActUnbind:
		if w.route != Down {
			return fmt.Errorf("the address leaves lo while it is announced")
		}
		if w.lingers && w.now < w.gone+w.par.Linger {
			return fmt.Errorf("the address leaves lo %v after the withdrawal, linger is %v", w.now-w.gone, w.par.Linger)
		}
		w.binding = false
	case ActAnnounce:
		if w.route == Down && (w.well == never || w.now-w.well < w.par.UpDelay) {
			return fmt.Errorf("announced before up_delay is over")
		}
		if !w.c.Bound {
			return fmt.Errorf("announced before it is bound")
		}
		w.route = Announced
	case ActDrain:
		if w.route == Down {
			return fmt.Errorf("drains what is not announced")
		}
		w.route, w.routeFrom = Draining, w.now
	case ActWithdraw:
		w.route, w.gone, w.lingers = Down, w.now, true
	}
	return nil
}

func (w *world) check() error {
	announced, draining := w.m.Announces()
	switch {
	case announced != (w.route != Down), draining != (w.route == Draining):
		return fmt.Errorf("the machine says announced %v, draining %v; the routers have %s", announced, draining, w.route)
	case announced && !w.c.servable():
		return fmt.Errorf("announced, and cannot be served")
	case announced && !w.c.Bound:
		return fmt.Errorf("announced, and not on lo")
	case w.route == Announced && w.c.planned() != ReasonNone:
		return fmt.Errorf("announced as if nothing were, in %s", w.c.planned())
	case w.route == Draining && w.now-w.routeFrom >= w.par.DrainTimeout:
		return fmt.Errorf("drains for longer than drain_timeout")
	case announced && !w.m.Holds():
		return fmt.Errorf("announced, and the table may go")
	case w.lingers && w.route == Down && w.now < w.gone+w.par.Linger && (!w.m.Holds() || !w.binding):
		return fmt.Errorf("forwarding ends %v after the withdrawal, linger is %v", w.now-w.gone, w.par.Linger)
	case !w.m.Holds() && w.binding:
		return fmt.Errorf("nothing is held, and the address is wanted")
	}
	return nil
}

// disturb changes one thing.
func (w *world) disturb() {
	r := w.rand
	for _, flip := range []*bool{
		&w.c.Speaker, &w.c.Probed, &w.c.Quorum, &w.c.Instance, &w.c.Healthy,
		&w.c.Maintenance, &w.c.Withdrawn, &w.c.Stopping, &w.c.Removed, &w.clearing,
	} {
		if r.IntN(12) == 0 {
			*flip = !*flip
		}
	}
	switch r.IntN(10) {
	case 0:
		w.c.Sessions = r.IntN(3)
	case 1:
		w.c.Table = false // by somebody else's hand
	case 2:
		w.c.Bound = false // likewise
	case 3:
		w.par = draw(r)
	case 4: // all is well again
		w.c = Conditions{Speaker: true, Sessions: 2, Table: w.c.Table, Probed: true, Quorum: true, Instance: true, Healthy: true, Bound: w.c.Bound}
		w.clearing = false
	}
}

// kernel does what is wanted of it, sometimes.
func (w *world) kernel() error {
	if w.rand.IntN(3) > 0 {
		w.c.Bound = w.binding
	}
	switch {
	case w.clearing && !w.m.Holds():
		w.c.Table = false
		if announced, _ := w.m.Announces(); announced {
			return fmt.Errorf("the table is cleared while it is announced")
		}
	case !w.clearing && w.rand.IntN(2) == 0:
		w.c.Table = true
	}
	return nil
}

func draw(r *rand.Rand) Parameters {
	span := func() time.Duration { return time.Duration(r.IntN(4)) * 2 * time.Second }
	return Parameters{UpDelay: span(), DrainTimeout: span(), Linger: span()}
}

func newWorld(seed uint64) *world {
	r := rand.New(rand.NewPCG(seed, 0))
	par := draw(r)
	return &world{rand: r, par: par, m: NewMachine(par), route: Down, well: never}
}

// pass goes on to a later time, with the machine's own deadlines in between.
func (w *world) pass(d time.Duration) error {
	end := w.now + d
	for at, ok := w.m.Next(); ok && at <= end; at, ok = w.m.Next() {
		w.now = max(w.now, at)
		if err := w.step(); err != nil {
			return err
		}
		if again, ok := w.m.Next(); ok && again <= w.now {
			return fmt.Errorf("a deadline that is over is still to come: %v at %v", again, w.now)
		}
	}
	w.now = end
	w.lingers = w.lingers && w.now < w.gone+w.par.Linger
	return nil
}

func (w *world) round() error {
	if err := w.pass(time.Duration(w.rand.IntN(2500)) * time.Millisecond); err != nil {
		return err
	}
	w.disturb()
	if err := w.step(); err != nil {
		return err
	}
	if err := w.kernel(); err != nil {
		return err
	}
	return w.step()
}

// settle lets things be for as long as they can take.
func (w *world) settle() error {
	for range 20 {
		w.c.Bound = w.binding
		w.c.Table = !w.clearing || w.m.Holds() && w.c.Table
		if err := w.step(); err != nil {
			return err
		}
		if err := w.pass(2 * time.Second); err != nil {
			return err
		}
	}
	return nil
}

// life is one seed: 150 rounds in which anything happens, then quiet in which all is well,
// then the end.
func (w *world) life() error {
	for range 150 {
		if err := w.round(); err != nil {
			return err
		}
	}
	w.clearing = false
	w.c = Conditions{Speaker: true, Sessions: 1, Table: true, Probed: true, Quorum: true, Instance: true, Healthy: true, Bound: w.c.Bound}
	if err := w.settle(); err != nil {
		return err
	}
	if w.route != Announced {
		return fmt.Errorf("all is well, and it is %s for %q", w.m.Phase(), w.m.Reason())
	}
	w.c.Stopping, w.clearing = true, true
	if err := w.settle(); err != nil {
		return err
	}
	if w.m.Phase() != Down || w.c.Table || w.c.Bound {
		return fmt.Errorf("the daemon's end is not reached: %s for %q, %+v", w.m.Phase(), w.m.Reason(), w.c)
	}
	return nil
}

// Whatever happens in whatever order, no router has a prefix that cannot be served, and
// nothing is taken from under one that routers have, or had until linger ago.
func TestSimulation(t *testing.T) {
	for seed := range uint64(1000) {
		w := newWorld(seed)
		if err := w.life(); err != nil {
			for _, line := range w.log[max(0, len(w.log)-12):] {
				t.Log(line)
			}
			t.Fatalf("seed %d at %v: %v", seed, w.now, err)
		}
	}
}
