package engine

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
	"time"

	"usher/director"
	"usher/director/internal/parallel"
	"usher/director/ipvs"
	"usher/healthcheck"
)

// pools are the virtual servers of the configuration, and what the checks say of their
// real servers.
type pools struct {
	order  []*entry // as configured
	byName map[string]*entry
	names  map[ipvs.ServiceKey]string // whose a service is; replaced, never changed
	dirty  map[string]bool            // to be looked at in the next pass
	timed  map[string]bool            // change by themselves
	health map[string]map[netip.AddrPort]healthcheck.Verdict
}

// entry is a pool and its place.
type entry struct {
	pool  *director.Pool
	rank  int
	shown bool // a snapshot has the pool
}

func newPools() *pools {
	return &pools{
		byName: map[string]*entry{}, dirty: map[string]bool{}, timed: map[string]bool{},
		health: map[string]map[netip.AddrPort]healthcheck.Verdict{},
	}
}

// change gives the pool to be changed: another one than readers have.
func (e *entry) change() *director.Pool {
	if e.shown {
		e.pool, e.shown = e.pool.Clone(), false
	}
	return e.pool
}

// show gives the pools as they stand, for readers.
func (p *pools) show() []*director.Pool {
	shown := make([]*director.Pool, len(p.order))
	for i, e := range p.order {
		e.shown = true
		shown[i] = e.pool
	}
	return shown
}

// find gives a pool to be looked at; nil for none.
func (p *pools) find(name string) *director.Pool {
	if e := p.byName[name]; e != nil {
		return e.pool
	}
	return nil
}

// touch gives a pool to be changed, which the next pass looks at; nil for none.
func (p *pools) touch(name string) *director.Pool {
	e := p.byName[name]
	if e == nil {
		return nil
	}
	p.dirty[name] = true
	return e.change()
}

// each goes through the virtual servers, as configured.
func (p *pools) each() iter.Seq[*director.VirtualServer] {
	return func(yield func(*director.VirtualServer) bool) {
		for _, e := range p.order {
			if !yield(e.pool.Config()) {
				return
			}
		}
	}
}

// verdict takes what the checks say of a server; it tells whether that is news.
func (p *pools) verdict(u healthcheck.Update) bool {
	name, rs := u.ID.VirtualServer, u.ID.RealServer
	if p.health[name] == nil {
		p.health[name] = map[netip.AddrPort]healthcheck.Verdict{}
	}
	p.health[name][rs] = u.Verdict
	e := p.byName[name]
	if e == nil || !e.change().SetVerdict(rs, u.Verdict) {
		return false
	}
	p.dirty[name] = true
	return true
}

// make makes the pool of a virtual server that has none, with what is known of its servers.
func (p *pools) make(vs director.VirtualServer, have ipvs.Table, known *record, now time.Time) *director.Pool {
	pool := director.NewPool(vs, have, now)
	pool.Resume(known.Ramps[vs.Name], now)
	for rs, v := range p.health[vs.Name] {
		pool.SetVerdict(rs, v)
	}
	pool.Heed(known.Overrides[vs.Name], now)
	return pool
}

// makeMissing makes the pools of the virtual servers that have none, on all processors at
// once; nil stands for the others.
func (p *pools) makeMissing(servers []director.VirtualServer, have ipvs.Table, known *record, now time.Time) []*director.Pool {
	made := make([]*director.Pool, len(servers))
	parallel.Parts(len(servers), func(from, to int) {
		for i := from; i < to; i++ {
			if p.byName[servers[i].Name] == nil {
				made[i] = p.make(servers[i], have, known, now)
			}
		}
	})
	return made
}

// update gives an existing pool another configuration.
func (p *pools) update(e *entry, vs director.VirtualServer, have ipvs.Table, known *record, now time.Time) {
	pool := e.change()
	pool.Update(vs, have, now)
	pool.Heed(known.Overrides[vs.Name], now)
}

// follow has a pool follow what the checks said, and forgets what they said of servers that
// it does not have.
func (p *pools) follow(pool *director.Pool) {
	health := p.health[pool.Config().Name]
	for rs, v := range health {
		if !pool.Has(rs) {
			delete(health, rs)
		}
		pool.SetVerdict(rs, v)
	}
}

// replace makes servers the whole configuration. made are the pools of those that had none.
func (p *pools) replace(servers []director.VirtualServer, made []*director.Pool, have ipvs.Table, known *record, now time.Time) {
	order, byName := make([]*entry, len(servers)), make(map[string]*entry, len(servers))
	names := make(map[ipvs.ServiceKey]string, len(servers))
	for i, vs := range servers {
		for _, key := range vs.Services() {
			names[key] = vs.Name
		}
		e := p.byName[vs.Name]
		if made[i] != nil {
			e = &entry{pool: made[i]}
		} else {
			p.update(e, vs, have, known, now)
		}
		p.follow(e.pool)
		e.rank = i
		order[i], byName[vs.Name] = e, e
	}
	for name := range p.byName {
		if byName[name] == nil {
			delete(p.health, name)
		}
	}
	p.order, p.byName, p.names = order, byName, names
}

// concerned gives the pools to look at, in configured order. A health event costs what it
// concerns, however many pools there are.
func (p *pools) concerned(all bool) []*entry {
	if all {
		return p.order
	}
	var found []*entry
	for name := range p.dirty {
		if e := p.byName[name]; e != nil {
			found = append(found, e)
		}
	}
	for name := range p.timed {
		if e := p.byName[name]; e == nil { // dropped by a reload
			delete(p.timed, name)
		} else if !p.dirty[name] {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b *entry) int { return cmp.Compare(a.rank, b.rank) })
	return found
}

// draining gives the services whose connections matter now.
func (p *pools) draining() (keys []ipvs.ServiceKey) {
	for name := range p.timed {
		if e := p.byName[name]; e != nil {
			keys = append(keys, e.pool.Draining()...)
		}
	}
	return keys
}

// observe takes the connections of the services that draining gave.
func (p *pools) observe(counters ipvs.CounterTable, now time.Time) {
	for name := range p.timed {
		if e := p.byName[name]; e != nil && len(e.pool.Draining()) > 0 {
			e.change().Observe(counters, now)
		}
	}
}

// next is the first of at and the times when a pool changes by itself.
func (p *pools) next(at, now time.Time) time.Time {
	for name := range p.timed {
		if e := p.byName[name]; e != nil {
			if next := e.pool.Deadline(now); !next.IsZero() && next.Before(at) {
				at = next
			}
		}
	}
	return at
}

// slowStarts gives the servers that come back slowly.
func (p *pools) slowStarts() slowStarts {
	now := slowStarts{}
	for name := range p.timed {
		if e := p.byName[name]; e != nil {
			if since := e.pool.SlowStarts(); since != nil {
				now[name] = since
			}
		}
	}
	return now
}

// servicesOf gives the services of virtual servers.
func servicesOf(servers []director.VirtualServer) map[ipvs.ServiceKey]bool {
	all := make(map[ipvs.ServiceKey]bool, len(servers))
	for i := range servers {
		for _, key := range servers[i].Services() {
			all[key] = true
		}
	}
	return all
}

// work is what has to be done for some services.
type work struct {
	want   ipvs.Table
	events []director.Event
	ops    []director.Op
	drains []string // pools whose connections are to be counted
	timed  []string // these, and those that change by themselves
}

// evaluate evaluates pools and gives what has to be done for them, have being the table.
// poll tells whether connections are to be counted that were not before.
func (p *pools) evaluate(all, polls bool, have ipvs.Table, now time.Time) (works []work, poll bool) {
	concerned := p.concerned(all)
	works = make([]work, len(concerned)/parallel.Part+1)
	parallel.Parts(len(concerned), func(from, to int) { works[from/parallel.Part] = desired(concerned[from:to], have, now) })
	for _, e := range concerned {
		delete(p.timed, e.pool.Config().Name)
	}
	for _, w := range works {
		for _, name := range w.drains {
			poll = poll || p.dirty[name] || all || !polls
		}
		for _, name := range w.timed {
			p.timed[name] = true
		}
	}
	clear(p.dirty)
	return works, poll
}

// desired evaluates pools and plans from what the kernel has of their services to what they
// want.
func desired(entries []*entry, table ipvs.Table, now time.Time) work {
	w := work{want: make(ipvs.Table, len(entries))}
	have := make(ipvs.Table, min(len(entries), len(table)))
	for _, e := range entries {
		p := e.change()
		w.events = append(w.events, p.Evaluate(now)...)
		p.Want(w.want, now)
		for _, key := range p.Config().Services() {
			if is, ok := table[key]; ok {
				have[key] = is
			}
		}
		name := p.Config().Name
		if len(p.Draining()) > 0 {
			w.drains, w.timed = append(w.drains, name), append(w.timed, name)
		} else if !p.Deadline(now).IsZero() {
			w.timed = append(w.timed, name)
		}
	}
	w.ops = director.Plan(w.want, have)
	return w
}
