package director

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"usher/director/ipvs"
	"usher/healthcheck"
	"usher/vrrp/timespan"
)

// Plan reports what Apply of servers would change in IPVS and the fullnat rules,
// sorted by service; PlanSettings reports the rest. It changes nothing and needs no Run: where none runs, health is
// unknown, and servers are taken to come in once their checks pass.
func (d *Director) Plan(ctx context.Context, servers []VirtualServer) (PlanReport, error) {
	if errs := ValidateSet(servers); len(errs) > 0 {
		return PlanReport{}, errors.Join(errs...)
	}
	if err := d.remember(false); err != nil {
		return PlanReport{}, err
	}
	have, err := d.options.Kernel.Read()
	if err != nil {
		return PlanReport{}, fmt.Errorf("director: read the IPVS table: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return PlanReport{}, err
	}
	f := d.forecast(canonical(servers), have)
	ops := Plan(f.want, f.have)
	counters, err := f.connections(d.options.Kernel, ops)
	if err != nil {
		return PlanReport{}, fmt.Errorf("director: count connections: %w", err)
	}
	rules, err := d.snatChanges(canonical(servers))
	if err != nil {
		return PlanReport{}, err
	}
	report := PlanReport{Changes: rules}
	for _, op := range ops {
		report.Changes = append(report.Changes, f.change(op, counters))
	}
	slices.SortStableFunc(report.Changes, func(a, b Change) int { return a.key.Compare(b.key) })
	return report, nil
}

// SetOther tells Plan which virtual servers another Director runs with the same state
// folder: whose the services are and how long their servers drain.
func (d *Director) SetOther(servers []VirtualServer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.other = servers
}

// forecast is a configuration thought through on copies.
type forecast struct {
	have, want ipvs.Table
	names      map[ipvs.ServiceKey]string
	pools      map[string]*Pool
	hoped      map[healthcheck.ID]bool // servers that are in only if their checks pass
	timeout    map[ipvs.ServiceKey]time.Duration
}

func (d *Director) forecast(servers []VirtualServer, have ipvs.Table) *forecast {
	now := time.Now()
	f := &forecast{
		want: ipvs.Table{}, names: map[ipvs.ServiceKey]string{}, pools: map[string]*Pool{},
		hoped: map[healthcheck.ID]bool{}, timeout: map[ipvs.ServiceKey]time.Duration{},
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	ours := maps.Clone(d.owned)
	running := map[ipvs.ServiceKey]bool{} // by the other Director
	for i := range d.other {
		vs := &d.other[i]
		for _, key := range vs.services() {
			key = key.Canonical()
			running[key] = true
			f.names[key], f.timeout[key] = vs.Name, vs.DrainTimeout
		}
	}
	for key := range d.owned { // what is being emptied since an earlier configuration
		if d.retired[key] != nil || len(running) > 0 && !running[key] {
			delete(ours, key)
		}
	}
	for key, name := range d.names {
		f.names[key] = name
		f.timeout[key] = d.pools[name].config.DrainTimeout
	}
	for _, vs := range servers {
		p := d.pools[vs.Name]
		if p != nil {
			p = p.Clone()
			p.Update(vs, have, now)
			d.heed(p, now)
		} else {
			p = d.newPool(vs, have, now)
		}
		for _, m := range p.members {
			if !m.decided && m.verdict.State == healthcheck.Down {
				f.hoped[healthcheck.ID{VirtualServer: vs.Name, RealServer: m.config.Address}] = true
				m.verdict, m.decided = healthcheck.Verdict{State: healthcheck.Up, Percent: 100}, true
			}
		}
		f.pools[vs.Name] = p
		p.Evaluate(now)
		p.Want(f.want, now)
		for _, key := range vs.services() {
			ours[key], f.names[key], f.timeout[key] = true, vs.Name, vs.DrainTimeout
		}
	}
	f.have = subset(have, ours)
	return f
}

// newPool makes a pool with what is known of its servers. Caller holds mu.
func (d *Director) newPool(vs VirtualServer, have ipvs.Table, now time.Time) *Pool {
	p := NewPool(vs, have, now)
	p.resume(d.memory.Ramps[vs.Name], now)
	if len(d.health[vs.Name]) == 0 && len(d.memory.Overrides[vs.Name]) == 0 {
		return p
	}
	vs.servers(func(rs *RealServer) {
		if v, ok := d.health[vs.Name][rs.Address]; ok {
			p.SetVerdict(rs.Address, v)
		}
	})
	d.heed(p, now)
	return p
}

// heed has a pool follow what operators said of servers that are new to it. Caller
// holds mu.
func (d *Director) heed(p *Pool, now time.Time) {
	if len(d.memory.Overrides[p.config.Name]) == 0 {
		return
	}
	for _, m := range p.members {
		if o := d.memory.override(p.config.Name, m.config.Address); m.override.Mode == OverrideNone && o.Mode != OverrideNone {
			p.SetOverride(m.config.Address, o, now)
		}
	}
}

// connections counts those of the services that lose something.
func (f *forecast) connections(k Kernel, ops []Op) (ipvs.CounterTable, error) {
	losing := map[ipvs.ServiceKey]bool{}
	for _, op := range ops {
		if Shrinks(op) {
			losing[op.Key] = true
		}
	}
	if len(losing) == 0 {
		return nil, nil
	}
	return k.Counters(slices.SortedFunc(maps.Keys(losing), ipvs.ServiceKey.Compare)...)
}

// change describes one operation as operators see it.
func (f *forecast) change(op Op, counters ipvs.CounterTable) Change {
	c := Change{Kind: "service", VirtualServer: f.names[op.Key], Service: op.Key.String(), key: op.Key}
	before := f.have[op.Key]
	count := func(n ipvs.Counters) uint64 { return uint64(n.Active) + uint64(n.Inactive) }
	if op.Dest.Address.IsValid() {
		c.Kind, c.RealServer = "real_server", netip.AddrPortFrom(op.Dest.Address, op.Dest.Port)
		c.Connections = count(counters[op.Key].Destinations[op.Dest])
		if m := f.member(op); m != nil {
			c.Checked = f.hoped[healthcheck.ID{VirtualServer: c.VirtualServer, RealServer: m.config.Address}]
			if m.sorry {
				c.Kind = "sorry_server"
			}
			if m.state != ServerUp {
				c.Reason = m.reason
			}
		}
	}
	switch op.Kind {
	case ipvs.AddService:
		c.Action, c.After = ActionAdd, op.Service.String()
	case ipvs.EditService:
		c.Action, c.Before, c.After = ActionEdit, before.Service.String(), op.Service.String()
		if op.Service.Scheduler != before.Service.Scheduler {
			// The kernel unbinds the old scheduler and waits an RCU grace period before
			// it binds the new one (ip_vs_edit_service).
			c.Reason = "new connections are refused for an instant while the kernel changes the scheduler"
		}
	case ipvs.DelService:
		for _, n := range counters[op.Key].Destinations {
			c.Connections += count(n)
		}
		c.Action, c.Before = ActionRemove, before.Service.String()
		f.removal(&c, op)
	case ipvs.AddDestination:
		c.Action, c.After = ActionAdd, f.word(op, op.Destination)
	case ipvs.EditDestination:
		c.Action, c.Before, c.After = ActionEdit, f.word(op, before.Destinations[op.Dest]), f.word(op, op.Destination)
		if f.leaving(op) {
			c.Action, c.Reason = ActionDrain, fmt.Sprintf("until its connections are gone, %s at the most", timespan.Text(f.timeout[op.Key]))
		}
	case ipvs.DelDestination:
		c.Action, c.Before = ActionRemove, before.Destinations[op.Dest].String()
		c.Drops = true
	}
	return c
}

// word describes a destination by its forwarding method as it is configured: to the
// kernel's IPVS fullnat is nat, and only the rules beside it make the difference.
func (f *forecast) word(op Op, d ipvs.Destination) string {
	method := NAT
	if m := f.member(op); m != nil {
		method = m.config.Forward
	} else if p := f.pools[f.names[op.Key]]; p != nil { // one that goes
		method = p.config.Forward
	}
	return string(forwardOf(d.Forward, method)) + strings.TrimPrefix(d.String(), d.Forward.String())
}

// removal says what the end of a service costs: it is emptied first where there
// is time for it.
func (f *forecast) removal(c *Change, op Op) {
	timeout, known := f.timeout[op.Key]
	if !known {
		timeout = defaultDrain
	}
	c.Drops = timeout <= 0
	if !c.Drops {
		c.Reason = fmt.Sprintf("its servers go to weight 0 first, until their connections are gone, %s at the most", timespan.Text(timeout))
	}
}

func (f *forecast) member(op Op) *member {
	if p := f.pools[f.names[op.Key]]; p != nil {
		return p.at(op.Dest)
	}
	return nil
}

// leaving tells whether the configuration no longer has the destination.
func (f *forecast) leaving(op Op) bool {
	p := f.pools[f.names[op.Key]]
	if p == nil {
		return false
	}
	_, going := p.leaving[op.Key][op.Dest]
	return going
}
