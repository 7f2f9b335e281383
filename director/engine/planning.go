package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"usher/director"
	"usher/director/ipvs"
)

// Plan reports what Apply of servers would change in IPVS and the fullnat rules,
// sorted by service; PlanSettings reports the rest. It changes nothing and needs no Run: where none runs, health is
// unknown, and servers are taken to come in once their checks pass.
func (d *Engine) Plan(ctx context.Context, servers []director.VirtualServer) (director.PlanReport, error) {
	if errs := director.ValidateSet(servers); len(errs) > 0 {
		return director.PlanReport{}, errors.Join(errs...)
	}
	if err := d.remember(false); err != nil {
		return director.PlanReport{}, err
	}
	have, err := d.options.Kernel.Read()
	if err != nil {
		return director.PlanReport{}, fmt.Errorf("director: read the IPVS table: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return director.PlanReport{}, err
	}
	servers = director.Canonical(servers)
	f := d.forecast(servers, have)
	ops, losing := f.Ops(have)
	var counters ipvs.CounterTable
	if len(losing) > 0 {
		if counters, err = d.options.Kernel.Counters(losing...); err != nil {
			return director.PlanReport{}, fmt.Errorf("director: count connections: %w", err)
		}
	}
	rules, err := d.snatChanges(servers)
	if err != nil {
		return director.PlanReport{}, err
	}
	return f.Report(ops, counters, rules), nil
}

// SetOther tells Plan which virtual servers another Engine runs with the same state
// folder: whose the services are and how long their servers drain.
func (d *Engine) SetOther(servers []director.VirtualServer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.other = servers
}

// forecast thinks a configuration through, on copies of the pools.
func (d *Engine) forecast(servers []director.VirtualServer, have ipvs.Table) *director.Forecast {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	running := map[ipvs.ServiceKey]*director.VirtualServer{} // by the other Engine
	for i := range d.other {
		for _, key := range d.other[i].Services() {
			running[key.Canonical()] = &d.other[i]
		}
	}
	ours := maps.Clone(d.owned)
	for key := range d.owned { // what is being emptied since an earlier configuration
		if d.retired[key] != nil || len(running) > 0 && running[key] == nil {
			delete(ours, key)
		}
	}
	f := director.NewForecast(ours)
	for key, vs := range running {
		f.Runs(key, vs)
	}
	for key, name := range d.names {
		f.Runs(key, d.pools[name].Config())
	}
	for _, vs := range servers {
		p := d.pools[vs.Name]
		if p != nil {
			p = p.Clone()
			p.Update(vs, have, now)
			p.Heed(d.memory.Overrides[vs.Name], now)
		} else {
			p = d.newPool(vs, have, now)
		}
		f.Add(p, now)
	}
	return f
}

// newPool makes a pool with what is known of its servers. Caller holds mu.
func (d *Engine) newPool(vs director.VirtualServer, have ipvs.Table, now time.Time) *director.Pool {
	p := director.NewPool(vs, have, now)
	p.Resume(d.memory.Ramps[vs.Name], now)
	for rs, v := range d.health[vs.Name] {
		p.SetVerdict(rs, v)
	}
	p.Heed(d.memory.Overrides[vs.Name], now)
	return p
}
