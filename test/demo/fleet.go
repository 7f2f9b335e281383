package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"usher/test/lab"
)

// How many directors a fleet may have: two of them are away at once.
const (
	fewest = 3
	most   = 5
)

// The flows through a fleet: how many last, and how often each asks.
const (
	flows    = 60
	flowStep = 500 * time.Millisecond
)

// fleet is the story of several active directors behind a router.
type fleet struct {
	*story
	scale  int
	ushers []*lab.Process
	paths  *lab.Spread
	flows  *lab.Flows
	place  map[string]string // which director carries each flow
}

// tell plays steps; the first that did not happen ends it with an error.
func (f *fleet) tell(ctx context.Context, steps []step) error {
	defer f.end()
	return f.play(ctx, steps)
}

// steps are the whole story.
func (f *fleet) steps() []step {
	drained, killed, dark, stopped := f.Fabric[f.scale-1], f.Fabric[f.scale-2], f.Fabric[1], f.Fabric[0]
	return []step{
		{fmt.Sprintf("%d directors run usher on conf/examples/bgp.hcl, behind a router that runs BIRD; three real servers run nginx", f.scale), f.setUp},
		{fmt.Sprintf("The client opens %d connections that last", flows), f.open},
		{"Director " + drained.Name + " goes into maintenance", func(ctx context.Context) error {
			return f.event(ctx, f.scale-1, func() error {
				_, err := drained.Usher(ctx, "maintenance", "on")
				return err
			})
		}},
		{"Director " + killed.Name + " is killed with SIGKILL, all of its processes at once", func(ctx context.Context) error {
			return f.event(ctx, f.scale-2, func() error { f.ushers[f.scale-2].Reap(); return nil })
		}},
		{"The killed director starts again, the other one comes out of maintenance", func(ctx context.Context) error {
			return f.event(ctx, f.scale, func() error {
				if _, err := drained.Usher(ctx, "maintenance", "off"); err != nil {
					return err
				}
				return f.run(ctx, f.scale-2)
			})
		}},
		{"Director " + dark.Name + " loses its power: no link is alive", func(ctx context.Context) error {
			return f.event(ctx, f.scale-1, func() error { return f.Power(dark, false) })
		}},
		{"Director " + stopped.Name + " is stopped as planned, with SIGTERM", f.plannedStop},
	}
}

func (f *fleet) end() {
	if f.flows != nil {
		f.flows.Stop()
	}
	if f.paths != nil {
		f.paths.Stop()
	}
}

// bfd is far more than a machine of one's own needs: an emulated one stands still for longer
// than three times the example's.
const bfd = time.Second

func (f *fleet) setUp(ctx context.Context) error {
	f.ushers = make([]*lab.Process, f.scale)
	if err := f.Route(ctx, "bird", bfd); err != nil {
		return err
	}
	var err error
	if f.paths, err = f.Router.Spread(lab.Announced.Addr()); err != nil {
		return err
	}
	var g errgroup.Group
	for _, rs := range f.Real[:len(lab.RIPs)] {
		g.Go(func() error {
			if err := rs.HoldVIP(ctx, f.file); err != nil {
				return err
			}
			_, err := rs.Web(ctx)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i := range f.ushers {
		g.Go(func() error { return f.run(ctx, i) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if _, err := f.paths.Await(ctx, f.scale); err != nil {
		return err
	}
	f.note("Every director announces %s; the router's kernel spreads what comes for it over all %d.", lab.Announced.Addr(), f.scale)
	return f.showStatus(ctx, f.A)
}

// run starts a director.
func (f *fleet) run(ctx context.Context, i int) (err error) {
	f.ushers[i], err = f.Fabric[i].RunUsher(ctx, "-c", f.file, "--var", "address="+lab.FabricAddr(i).String(), "--var", "bfd="+bfd.String())
	return err
}

func (f *fleet) open(ctx context.Context) error {
	var err error
	if f.flows, err = f.Client.Flows([]netip.AddrPort{lab.Announced}, flows, flowStep); err != nil {
		return err
	}
	if f.place, _, err = f.Carriers(f.flows.Open(), nil); err != nil {
		return err
	}
	f.tellPlaces()
	return nil
}

// tellPlaces tells how many flows come by each director.
func (f *fleet) tellPlaces() {
	count := map[string]int{}
	for _, d := range f.place {
		count[d]++
	}
	var all []string
	for _, d := range f.Fabric[:f.scale] {
		all = append(all, fmt.Sprintf("%s carries %d", d.Name, count[d.Name]))
	}
	f.tellMore("%s", strings.Join(all, ", "))
}

// event does something, after which the router spreads flows over so many directors, and tells
// what became of them.
func (f *fleet) event(ctx context.Context, over int, do func() error) error {
	fresh := f.Client.Load(lab.Announced, 2, 100*time.Millisecond, lab.Page)
	begun := time.Now()
	if err := do(); err != nil {
		return err
	}
	changed, err := f.paths.Await(ctx, over)
	if err != nil {
		return err
	}
	// Each flow finds its way, and its former entry grows older.
	if err := f.flows.Answered(ctx, 6); err != nil {
		return err
	}
	now, moved, err := f.Carriers(f.flows.Open(), f.place)
	if err != nil {
		return err
	}
	f.place = now
	open, lost, switched := f.flows.Stand()
	missed, told := fresh.Stop()
	f.note("After %s the router spreads flows over %d directors; %d of %d moved, %d lost, %d answered by another server.",
		ms(changed.Sub(begun)), over, moved, open, len(lost), switched)
	f.tellPlaces()
	f.tellMore("new connections: %s", told)
	if len(lost) > 0 || switched > 0 || missed > 0 {
		return fmt.Errorf("connections were lost: %q", lost)
	}
	return nil
}

func (f *fleet) plannedStop(ctx context.Context) error {
	if err := f.event(ctx, f.scale-2, func() error { return f.ushers[0].Signal(syscall.SIGTERM) }); err != nil {
		return err
	}
	if code := f.ushers[0].ExitCode(); code != 0 {
		return fmt.Errorf("usher ended with exit status %d:\n%s", code, f.ushers[0].Tail(10))
	}
	if left, err := f.A.Destinations(); err != nil || len(left) > 0 {
		return fmt.Errorf("after its stop %s still has %v in IPVS (%v)", f.A.Name, left, err)
	}
	f.tellMore("%s has withdrawn %s, went on forwarding for linger, and cleaned its IPVS table", f.A.Name, lab.Announced.Addr())
	return f.showStatus(ctx, f.Fabric[f.scale-1])
}
