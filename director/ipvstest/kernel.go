// Package ipvstest has a double of the kernel's IPVS for tests, and the contract
// that it and the real one both fulfil.
//
//	kernel := ipvstest.New()
//	kernel.Apply(ops)
//	table, err := kernel.Read()
package ipvstest

import (
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"usher/director"
	"usher/director/ipvs"
)

// Kernel is an IPVS in memory that answers as the kernel does. The zero value is
// not ready, see New. It may live in a testing/synctest bubble.
type Kernel struct {
	// Latency is slept before every call, outside of any lock.
	Latency time.Duration
	// Fail, where set, decides before each operation whether it fails. What it
	// returns is the operation's error; the table stays as it is.
	Fail func(ipvs.Op) error
	// Lose, where set, decides for each operation that succeeded whether its answer
	// is lost: the table is changed, and the error is unix.ETIMEDOUT.
	Lose func(ipvs.Op) bool
	// ReadFail, where set, is the error of Read.
	ReadFail func() error
	// Schedulers are those that are there; nil for all of the kernel's.
	Schedulers []string

	mu       sync.Mutex
	table    ipvs.Table
	counters map[ipvs.ServiceKey]map[ipvs.DestinationKey]ipvs.Counters
	timeouts ipvs.Timeouts
	daemons  []ipvs.SyncDaemon
	halfOpen map[ipvs.Route]int
	history  []ipvs.Op
	watch    func(ipvs.Table)
}

var _ director.Kernel = (*Kernel)(nil)

// New gives an IPVS without services and with the kernel's default timeouts.
func New() *Kernel {
	return &Kernel{
		table:    ipvs.Table{},
		counters: map[ipvs.ServiceKey]map[ipvs.DestinationKey]ipvs.Counters{},
		timeouts: ipvs.Timeouts{TCP: 900, TCPFin: 120, UDP: 300},
	}
}

func (k *Kernel) wait() {
	if k.Latency > 0 {
		time.Sleep(k.Latency)
	}
}

// Read gives a copy of the whole table.
func (k *Kernel) Read() (ipvs.Table, error) {
	k.wait()
	if k.ReadFail != nil {
		if err := k.ReadFail(); err != nil {
			return nil, err
		}
	}
	return k.Table(), nil
}

// Entry gives a copy of one service; false where it is not there.
func (k *Kernel) Entry(key ipvs.ServiceKey) (ipvs.Entry, bool, error) {
	k.wait()
	if k.ReadFail != nil {
		if err := k.ReadFail(); err != nil {
			return ipvs.Entry{}, false, err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	e, ok := k.table[key]
	e.Destinations = maps.Clone(e.Destinations)
	return e, ok, nil
}

// Table gives a copy of the whole table, at once and without failing.
func (k *Kernel) Table() ipvs.Table {
	k.mu.Lock()
	defer k.mu.Unlock()
	return clone(k.table)
}

func clone(t ipvs.Table) ipvs.Table {
	out := make(ipvs.Table, len(t))
	for key, e := range t {
		e.Destinations = maps.Clone(e.Destinations)
		out[key] = e
	}
	return out
}

// Counters gives the counters of the services named, of all without any.
func (k *Kernel) Counters(keys ...ipvs.ServiceKey) (ipvs.CounterTable, error) {
	k.wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(keys) == 0 {
		keys = slices.Collect(maps.Keys(k.table))
	}
	out := ipvs.CounterTable{}
	for _, key := range keys {
		e, ok := k.table[key]
		if !ok {
			continue
		}
		sc := ipvs.ServiceCounters{Destinations: map[ipvs.DestinationKey]ipvs.Counters{}}
		for dest := range e.Destinations {
			c := k.counters[key][dest]
			sc.Destinations[dest] = c
			// A service counts what its destinations count, but not connections now.
			c.Active, c.Inactive, c.Persistent = 0, 0, 0
			sc.Service = sc.Service.Plus(c)
		}
		out[key] = sc
	}
	return out, nil
}

// Totals gives the counters of every service.
func (k *Kernel) Totals() (map[ipvs.ServiceKey]ipvs.Counters, error) {
	all, err := k.Counters()
	out := make(map[ipvs.ServiceKey]ipvs.Counters, len(all))
	for key, c := range all {
		out[key] = c.Service
	}
	return out, err
}

// SetCounters sets the counters of a destination, as traffic would.
func (k *Kernel) SetCounters(key ipvs.ServiceKey, dest ipvs.DestinationKey, c ipvs.Counters) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.counters[key] == nil {
		k.counters[key] = map[ipvs.DestinationKey]ipvs.Counters{}
	}
	k.counters[key][dest] = c
}

// HalfOpen gives what SetHalfOpen set.
func (k *Kernel) HalfOpen() (map[ipvs.Route]int, error) {
	k.wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.halfOpen), nil
}

// SetHalfOpen sets the number of unanswered connections of a route.
func (k *Kernel) SetHalfOpen(r ipvs.Route, n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.halfOpen == nil {
		k.halfOpen = map[ipvs.Route]int{}
	}
	k.halfOpen[r] = n
}

// Flush empties the table behind the director's back, as `ipvsadm -C` does.
func (k *Kernel) Flush() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.table)
}

// History gives all operations that succeeded, oldest first.
func (k *Kernel) History() []ipvs.Op {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.history)
}

// Watch has see called with the table after every operation that succeeded. The
// table is only for reading and only during the call.
func (k *Kernel) Watch(see func(ipvs.Table)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.watch = see
}

// Timeouts gives the idle times of connections.
func (k *Kernel) Timeouts() (ipvs.Timeouts, error) {
	k.wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.timeouts, nil
}

// SetTimeouts sets those that are not zero.
func (k *Kernel) SetTimeouts(t ipvs.Timeouts) error {
	k.wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, one := range []struct{ to, from *uint32 }{
		{&k.timeouts.TCP, &t.TCP}, {&k.timeouts.TCPFin, &t.TCPFin}, {&k.timeouts.UDP, &t.UDP},
	} {
		if *one.from != 0 {
			*one.to = *one.from
		}
	}
	return nil
}

// SyncDaemons gives the daemons that run.
func (k *Kernel) SyncDaemons() ([]ipvs.SyncDaemon, error) {
	k.wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.daemons), nil
}

// StartSync starts a daemon.
func (k *Kernel) StartSync(d ipvs.SyncDaemon) error {
	k.wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.running(d.Role) >= 0 {
		return unix.EEXIST
	}
	for key, e := range k.table {
		for dest := range e.Destinations {
			if dest.Address.Is6() != key.Is6() {
				return unix.EINVAL
			}
		}
	}
	k.daemons = append(k.daemons, d)
	return nil
}

// StopSync stops the daemon of d's role.
func (k *Kernel) StopSync(d ipvs.SyncDaemon) error {
	k.wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	i := k.running(d.Role)
	if i < 0 {
		return unix.ESRCH
	}
	k.daemons = slices.Delete(k.daemons, i, i+1)
	return nil
}

func (k *Kernel) running(role ipvs.SyncRole) int {
	return slices.IndexFunc(k.daemons, func(d ipvs.SyncDaemon) bool { return d.Role == role })
}
