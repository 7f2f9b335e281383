package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"usher/director"
	"usher/director/ipvs"
)

// state is all that changes, in parts that each own theirs. The owner of the inbox alone
// touches it. It may change at each call of the kernel, and between two of them does not.
type state struct {
	log    *slog.Logger
	kernel director.Kernel
	beside func(call func()) // see inbox

	memory     *memory
	journal    *journal
	pools      *pools
	table      *table
	departures departures
	overrides  *overrides
	settings   *settings
	sync       *syncDaemons
	snat       *sourceNAT
	requests   requests
	schedule   schedule

	kept    bool          // what is owned was remembered once by this engine, or tried
	turn    int           // of the services, where the table is large
	reading time.Duration // what it took to read the table
	other   []director.VirtualServer
	// busy is when Run began what it is doing, in nanoseconds of the clock; 0 at rest. It is
	// read by anybody: whether Run hangs must not be for Run to say.
	busy atomic.Int64
}

func newState(o Options, beside func(func())) *state {
	kernel := calls{o.Kernel, beside}
	var sysctls Sysctl
	if o.Sysctl != nil {
		sysctls = sysctlCalls{o.Sysctl, beside}
	}
	var filter SNAT
	if o.SNAT != nil {
		filter = filterCalls{o.SNAT, beside}
	}
	var interfaces func([]netip.Addr) []string
	if o.Interfaces != nil {
		interfaces = func(all []netip.Addr) (names []string) {
			beside(func() { names = o.Interfaces(all) })
			return names
		}
	}
	m, j := newMemory(o.State), newJournal(o.Log, o.Events)
	return &state{
		log: o.Log, kernel: kernel, beside: beside, memory: m, journal: j,
		pools: newPools(), table: newTable(), departures: departures{},
		overrides: &overrides{memory: m, terms: terms{}, born: time.Now()},
		settings:  &settings{log: o.Log, kernel: kernel, sysctls: sysctls, interfaces: interfaces, memory: m, journal: j},
		sync:      &syncDaemons{log: o.Log, kernel: kernel, memory: m, journal: j, active: map[string]bool{}},
		snat:      &sourceNAT{log: o.Log, filter: filter, memory: m, journal: j},
		schedule:  schedule{every: o.Resync},
	}
}

// step notes that Run gets on to something that the kernel is asked for.
func (s *state) step() { s.busy.Store(time.Now().UnixNano()) }

// rest notes that Run has nothing to do.
func (s *state) rest() { s.busy.Store(0) }

// remember loads the memory once, see memory.load.
func (s *state) remember(repair bool) error {
	if s.memory.loaded {
		return nil
	}
	loss, err := s.memory.load(repair)
	if err != nil {
		return err
	}
	now := time.Now()
	if loss != "" {
		s.journal.tell(director.Event{Time: now, Kind: director.EventDamaged, Reason: loss})
	}
	s.table.owned = s.memory.owns()
	s.overrides.resume(now)
	s.liftEnded(now, repair)
	return nil
}

// liftEnded lifts the overrides that are over; with keep they are no longer remembered.
func (s *state) liftEnded(now time.Time, keep bool) {
	s.journal.tell(s.overrides.liftEnded(s.pools, now, keep)...)
}

// nameOf gives the virtual server that a service belongs to.
func (s *state) nameOf(key ipvs.ServiceKey) string {
	if r := s.departures[key]; r != nil {
		return r.Name()
	}
	return s.pools.names[key]
}

// next is when the next pass is due by the clock; zero for never.
func (s *state) next() time.Time {
	at := s.schedule.next()
	if at.IsZero() {
		return at
	}
	now := time.Now()
	return s.pools.next(s.overrides.next(s.sync.next(at), now), now)
}

// end is Stop: what is ours goes, unless it is kept.
func (s *state) end(ctx context.Context, keep bool) error {
	if err := s.remember(true); err != nil {
		return err
	}
	if keep {
		return s.memory.last()
	}
	if s.sync.masters() { // the kernel has not told the peer of the last connections yet
		s.beside(func() {
			select {
			case <-time.After(syncLinger):
			case <-ctx.Done():
			}
		})
	}
	return errors.Join(s.removeServices(ctx), s.snat.restore(), s.sync.restore(), s.settings.restore(), s.memory.last())
}

func (s *state) removeServices(ctx context.Context) error {
	have, err := s.kernel.Read()
	if err != nil {
		return fmt.Errorf("director: read the IPVS table: %w", err)
	}
	var errs []error
	for chunk := range slices.Chunk(director.Plan(ipvs.Table{}, have.Subset(s.table.owned)), 1000) {
		if err := ctx.Err(); err != nil {
			errs = append(errs, fmt.Errorf("director: clean the IPVS table: %w", err))
			break
		}
		results := s.kernel.Apply(chunk)
		for i, op := range chunk {
			if results != nil && results[i] != nil && !errors.Is(results[i], unix.ESRCH) {
				errs = append(errs, fmt.Errorf("director: %s: %w", op, results[i]))
				continue
			}
			delete(s.table.owned, op.Key)
			s.journal.stats.Ops[op.Kind]++
		}
	}
	if len(errs) == 0 {
		clear(s.table.owned)
	}
	s.memory.setOwned(s.table.owned)
	s.table.forget()
	return errors.Join(errs...)
}
