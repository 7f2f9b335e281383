package director

import (
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

// Forecast is a configuration thought through: what the kernel would have of it. Servers
// whose health is unknown are taken to come in, once their checks pass.
type Forecast struct {
	have, want ipvs.Table
	names      map[ipvs.ServiceKey]string
	pools      map[string]*Pool
	hoped      map[healthcheck.ID]bool // servers that are in only if their checks pass
	timeout    map[ipvs.ServiceKey]time.Duration
	ours       map[ipvs.ServiceKey]bool
}

// NewForecast gives one of nothing: all services of ours would go.
func NewForecast(ours map[ipvs.ServiceKey]bool) *Forecast {
	f := &Forecast{
		want: ipvs.Table{}, names: map[ipvs.ServiceKey]string{}, pools: map[string]*Pool{},
		hoped: map[healthcheck.ID]bool{}, timeout: map[ipvs.ServiceKey]time.Duration{}, ours: map[ipvs.ServiceKey]bool{},
	}
	maps.Copy(f.ours, ours)
	return f
}

// Runs notes which virtual server has a service by now, and how long its servers drain.
func (f *Forecast) Runs(key ipvs.ServiceKey, vs *VirtualServer) {
	f.names[key], f.timeout[key] = vs.Name, vs.DrainTimeout
}

// Add adds a pool of the configuration, which the forecast may change from then on.
func (f *Forecast) Add(p *Pool, now time.Time) {
	vs := &p.config
	for _, m := range p.members {
		if !m.decided && m.verdict.State == healthcheck.Down {
			f.hoped[healthcheck.ID{VirtualServer: vs.Name, RealServer: m.config.Address}] = true
			m.verdict, m.decided = healthcheck.Verdict{State: healthcheck.Up, Percent: 100}, true
		}
	}
	f.pools[vs.Name] = p
	p.Evaluate(now)
	p.Want(f.want, now)
	for _, key := range vs.Services() {
		f.ours[key] = true
		f.Runs(key, vs)
	}
}

// Ops gives what would be done to a table, in order, and the services that lose something
// by it, sorted.
func (f *Forecast) Ops(have ipvs.Table) (ops []Op, losing []ipvs.ServiceKey) {
	f.have = have.Subset(f.ours)
	ops = Plan(f.want, f.have)
	loses := map[ipvs.ServiceKey]bool{}
	for _, op := range ops {
		if Shrinks(op) {
			loses[op.Key] = true
		}
	}
	return ops, slices.SortedFunc(maps.Keys(loses), ipvs.ServiceKey.Compare)
}

// Report describes operations that Ops gave as operators see them, and other changes with
// them, sorted by service. counters are those of the services that lose something.
func (f *Forecast) Report(ops []Op, counters ipvs.CounterTable, others []Change) PlanReport {
	report := PlanReport{Changes: others}
	for _, op := range ops {
		report.Changes = append(report.Changes, f.change(op, counters))
	}
	slices.SortStableFunc(report.Changes, func(a, b Change) int { return a.key.Compare(b.key) })
	return report
}

// change describes one operation as operators see it.
func (f *Forecast) change(op Op, counters ipvs.CounterTable) Change {
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
func (f *Forecast) word(op Op, d ipvs.Destination) string {
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
func (f *Forecast) removal(c *Change, op Op) {
	timeout, known := f.timeout[op.Key]
	if !known {
		timeout = DefaultDrain
	}
	c.Drops = timeout <= 0
	if !c.Drops {
		c.Reason = fmt.Sprintf("its servers go to weight 0 first, until their connections are gone, %s at the most", timespan.Text(timeout))
	}
}

func (f *Forecast) member(op Op) *member {
	if p := f.pools[f.names[op.Key]]; p != nil {
		return p.at(op.Dest)
	}
	return nil
}

// leaving tells whether the configuration no longer has the destination.
func (f *Forecast) leaving(op Op) bool {
	p := f.pools[f.names[op.Key]]
	if p == nil {
		return false
	}
	_, going := p.leaving[op.Key][op.Dest]
	return going
}
