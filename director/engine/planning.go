package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"usher/director"
	"usher/director/ipvs"
)

// Plan reports what Apply of servers would change in IPVS and the fullnat rules,
// sorted by service; PlanSettings reports the rest. It changes nothing and needs no Run: where none runs, health is
// unknown, and servers are taken to come in once their checks pass.
func (e *Engine) Plan(ctx context.Context, servers []director.VirtualServer) (director.PlanReport, error) {
	if errs := director.ValidateSet(servers); len(errs) > 0 {
		return director.PlanReport{}, errors.Join(errs...)
	}
	if err := e.remember(); err != nil {
		return director.PlanReport{}, err
	}
	have, err := e.options.Kernel.Read()
	if err != nil {
		return director.PlanReport{}, fmt.Errorf("director: read the IPVS table: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return director.PlanReport{}, err
	}
	servers = director.Canonical(servers)
	var f *director.Forecast
	e.inbox.ask(func() { f = e.state.forecast(servers, have, time.Now()) })
	ops, losing := f.Ops(have)
	var counters ipvs.CounterTable
	if len(losing) > 0 {
		if counters, err = e.options.Kernel.Counters(losing...); err != nil {
			return director.PlanReport{}, fmt.Errorf("director: count connections: %w", err)
		}
	}
	rules, err := e.snatChanges(servers)
	if err != nil {
		return director.PlanReport{}, err
	}
	return f.Report(ops, counters, rules), nil
}

// remember has the memory loaded, and nothing repaired.
func (e *Engine) remember() (err error) {
	e.inbox.ask(func() { err = e.state.remember(false) })
	return err
}

// forecast thinks a configuration through, on copies of the pools.
func (s *state) forecast(servers []director.VirtualServer, have ipvs.Table, now time.Time) *director.Forecast {
	running := map[ipvs.ServiceKey]*director.VirtualServer{} // by another Engine
	for i := range s.other {
		for _, key := range s.other[i].Services() {
			running[key.Canonical()] = &s.other[i]
		}
	}
	ours := maps.Clone(s.table.owned)
	for key := range s.table.owned { // what is being emptied since an earlier configuration
		if s.departures[key] != nil || len(running) > 0 && running[key] == nil {
			delete(ours, key)
		}
	}
	f := director.NewForecast(ours)
	for key, vs := range running {
		f.Runs(key, vs)
	}
	for key, name := range s.pools.names {
		f.Runs(key, s.pools.find(name).Config())
	}
	for _, vs := range servers {
		p := s.pools.find(vs.Name)
		if p != nil {
			p = p.Clone()
			p.Update(vs, have, now)
			p.Heed(s.memory.Overrides[vs.Name], now)
		} else {
			p = s.pools.make(vs, have, &s.memory.record, now)
		}
		f.Add(p, now)
	}
	return f
}

// snatChanges gives the change of the rules that servers ask for, if there is one.
func (e *Engine) snatChanges(servers []director.VirtualServer) ([]director.Change, error) {
	if e.options.SNAT == nil {
		return nil, nil
	}
	rules := director.SNATRules(each(servers))
	same, err := e.options.SNAT.Same(rules)
	if err != nil {
		return nil, fmt.Errorf("director: read the fullnat rules: %w", err)
	}
	if same {
		return nil, nil
	}
	c := director.Change{Action: director.ActionEdit, Kind: "fullnat", After: fmt.Sprintf("source NAT of %d services", len(rules))}
	if len(rules) == 0 {
		c.Action, c.After, c.Before = director.ActionRemove, "", "source NAT of all services"
	}
	return []director.Change{c}, nil
}

// PlanSettings reports what Configure of c, with servers configured, would change in
// the kernel's settings. It changes nothing and needs no Run.
func (e *Engine) PlanSettings(servers []director.VirtualServer, c director.Settings) ([]director.Change, error) {
	if err := e.remember(); err != nil {
		return nil, err
	}
	var was record
	e.inbox.ask(func() {
		was = e.state.memory.record
		was.Sysctls = maps.Clone(was.Sysctls) // what else is looked at here is replaced, never changed
	})
	out := e.sysctlChanges(servers, &c, was.Sysctls)
	have, err := e.options.Kernel.Timeouts()
	if err != nil {
		return nil, fmt.Errorf("director: read the IPVS timeouts: %w", err)
	}
	want := c.Timeouts(have)
	if was.Timeouts != nil {
		want = c.Timeouts(*was.Timeouts)
	}
	for _, n := range timeoutNames {
		if n.of(have) != n.of(want) {
			out = append(out, setting(n.name, inSeconds(n.of(have)), inSeconds(n.of(want))))
		}
	}
	sync, err := e.syncChanges(&c, was.Sync, was.SyncBefore)
	return append(out, sync...), err
}

func setting(name, before, after string) director.Change {
	return director.Change{Action: director.ActionEdit, Kind: "setting", Before: name + " = " + before, After: after}
}

func (e *Engine) sysctlChanges(servers []director.VirtualServer, c *director.Settings, changed map[string]string) []director.Change {
	sysctls := e.options.Sysctl
	if sysctls == nil {
		return nil
	}
	want := sysctlsOf(c, each(servers), e.options.Interfaces)
	syncWants(c, sysctls, changed, want)
	var out []director.Change
	for _, name := range slices.Sorted(maps.Keys(want)) {
		value, err := readSysctl(sysctls, name)
		if err != nil || value == want[name] {
			continue
		}
		one := setting(name, value, want[name])
		if !c.ManageSysctls {
			one.Reason = "to be set by hand, since manage_sysctls is off"
		}
		out = append(out, one)
	}
	released := released(changed, want)
	for _, name := range slices.Sorted(maps.Keys(released)) {
		if value, err := readSysctl(sysctls, name); err == nil && value != released[name] {
			one := setting(name, value, released[name])
			one.Reason = "as it was before usher, for the configuration gives it no longer"
			out = append(out, one)
		}
	}
	return out
}

// syncChanges compares the synchronisation daemon, whose role is VRRP's to say. ours is the
// one that usher started, lingering that of the role before.
func (e *Engine) syncChanges(c *director.Settings, ours, lingering *ipvs.SyncDaemon) ([]director.Change, error) {
	if ours == nil && c.Sync == nil {
		return nil, nil
	}
	running, err := e.options.Kernel.SyncDaemons()
	if err != nil {
		return nil, fmt.Errorf("director: read the sync daemons: %w", err)
	}
	var before, after string
	// The kernel reads back more than was given: what was given is remembered.
	if ours != nil && hasRole(running, ours.Role) {
		given := *ours
		given.Role = 0
		if c.Sync != nil && given == c.Sync.Daemon {
			return nil, nil
		}
		before = describeSync(given)
	}
	if c.Sync != nil {
		after = describeSync(c.Sync.Daemon)
	}
	change := director.Change{Action: director.ActionEdit, Kind: "sync daemon", Before: before, After: after}
	switch {
	case before == "" && after == "":
		return nil, nil
	case before == "":
		change.Action = director.ActionAdd
	case after == "":
		change.Action = director.ActionRemove
	}
	if c.Sync != nil {
		for _, r := range running {
			if (ours == nil || r.Role != ours.Role) && (lingering == nil || r.Role != lingering.Role) {
				change.Reason = fmt.Sprintf("not while this machine is %s: a %s sync daemon %s runs that usher did not start", r.Role, r.Role, describeSync(r))
			}
		}
	}
	return []director.Change{change}, nil
}

// each goes through virtual servers.
func each(servers []director.VirtualServer) iter.Seq[*director.VirtualServer] {
	return func(yield func(*director.VirtualServer) bool) {
		for i := range servers {
			if !yield(&servers[i]) {
				return
			}
		}
	}
}
