package engine

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"usher/healthcheck"
)

// Apply sets the servers and their checks. All or nothing: an invalid target
// leaves everything as it was. A check that stays as it is keeps its state and its
// place in the schedule; one that is new or changed is probed at once, and its
// first result decides, with what was believed of the server holding until then.
// The engine keeps targets, which must not be changed afterwards.
func (e *Engine) Apply(targets []healthcheck.Target) error {
	return e.exchange(targets, nil)
}

// ApplyPool sets the servers of one virtual server and their checks, as Apply does for
// all: what stays as it is goes on undisturbed, and the servers of others are not looked
// at. All or nothing.
func (e *Engine) ApplyPool(virtualServer string, targets []healthcheck.Target) error {
	for i := range targets {
		if of := targets[i].ID.VirtualServer; of != virtualServer {
			return fmt.Errorf("healthcheck: server %s is of %q, not of %q", targets[i].ID.RealServer, of, virtualServer)
		}
	}
	return e.exchange(targets, &virtualServer)
}

// exchange has targets in the place of the servers of one virtual server; nil for all.
func (e *Engine) exchange(targets []healthcheck.Target, of *string) error {
	e.applying.Lock()
	defer e.applying.Unlock()
	plan, err := e.prepare(targets)
	if err != nil {
		return err
	}
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.epoch.IsZero() {
		e.epoch = now
	}
	ids := make([]healthcheck.ID, len(targets))
	wanted := make(map[healthcheck.ID]bool, len(targets))
	for i := range targets {
		ids[i] = targets[i].ID
		wanted[ids[i]] = true
		if !plan[i].same {
			e.applyTarget(now, &targets[i], plan[i].keys)
		}
	}
	for _, id := range e.order.replace(of, ids) {
		if t := e.targets[id]; !wanted[id] && t != nil {
			e.queue.Remove(&t.hold)
			e.release(t.members)
			delete(e.targets, id)
		}
	}
	e.stats.Checks = len(e.probes)
	e.rouse()
	return nil
}

// prepared is what Apply works out of a target before it takes the lock.
type prepared struct {
	same bool // as it is already
	keys []probeKey
}

// prepare needs no lock to read targets: Apply alone, one at a time, changes them.
func (e *Engine) prepare(targets []healthcheck.Target) ([]prepared, error) {
	plan := make([]prepared, len(targets))
	seen := make(map[healthcheck.ID]bool, len(targets))
	var errs []error
	var keys keyer
	for i := range targets {
		t := &targets[i]
		if seen[t.ID] {
			errs = append(errs, fmt.Errorf("healthcheck: server %s of %q is there twice", t.ID.RealServer, t.ID.VirtualServer))
		}
		seen[t.ID] = true
		if is := e.targets[t.ID]; is != nil && equal(&is.config, t) {
			plan[i].same = true
			continue
		}
		for _, err := range t.Validate() {
			errs = append(errs, fmt.Errorf("healthcheck: server %s of %q: %w", t.ID.RealServer, t.ID.VirtualServer, err))
		}
		for _, c := range t.Checks {
			key, err := keys.of(c)
			if err != nil {
				errs = append(errs, err)
			}
			plan[i].keys = append(plan[i].keys, key)
		}
	}
	return plan, errors.Join(errs...)
}

// equal tells whether two targets are the same in all that they say.
func equal(t, o *healthcheck.Target) bool {
	return t.ID == o.ID && t.Join() == o.Join() && slices.EqualFunc(t.Checks, o.Checks, func(a, b healthcheck.Check) bool {
		return a == b || reflect.DeepEqual(a, b) // most share their settings
	})
}

func (e *Engine) applyTarget(now time.Time, want *healthcheck.Target, keys []probeKey) {
	t := e.targets[want.ID]
	if t == nil {
		t = &target{id: want.ID, since: now}
		t.hold.Value.target = t
		e.targets[want.ID] = t
	}
	old := t.members
	t.config, t.rules, t.members, t.passive = *want, want.Join(), nil, 0
	for i := range want.Checks {
		c := &want.Checks[i]
		if c.Type == healthcheck.TypePassive {
			if c.Passive != nil {
				t.passive = c.Passive.Threshold
			}
			continue
		}
		t.members = append(t.members, e.member(now, t, c, keys[i], old))
	}
	var gone []*member
	for _, m := range old {
		if m != nil {
			gone = append(gone, m)
		}
	}
	e.release(gone)
	e.settle(now, t)
}

// member is the target's check c: the one that it had before, or a new one. Those
// that are taken over are nil in old afterwards.
func (e *Engine) member(now time.Time, t *target, c *healthcheck.Check, key probeKey, old []*member) *member {
	for i, m := range old {
		if m != nil && m.probe.key == key && m.name == c.Name {
			m.rules = c.Rules()
			old[i] = nil
			return m
		}
	}
	m := &member{target: t, probe: e.probe(now, c, key), name: c.Name, rules: c.Rules(), since: now}
	m.health.State = t.rules.Initial
	if t.told {
		m.health.State = t.sent.State
	}
	// A probe that others have run already tells at once.
	if last := m.probe.last; last.Outcome != healthcheck.Inconclusive {
		m.health = m.health.Step(m.rules, last)
	}
	m.probe.members = append(m.probe.members, m)
	if !m.probe.unable.IsZero() {
		m.health = m.health.Step(m.rules, healthcheck.Result{CannotRun: true, Reason: m.probe.reason})
		e.cannot(now, m)
	}
	return m
}

// probe finds the probe that c wants, or makes it, due at once.
func (e *Engine) probe(now time.Time, c *healthcheck.Check, key probeKey) *probe {
	if p := e.byKey[key]; p != nil {
		return p
	}
	e.lastID++
	p := &probe{id: e.lastID, key: key, check: *c}
	p.check.Name = ""
	p.report = func(r healthcheck.Result) { e.report(p, r) }
	p.timer.Value.probe = p
	n := e.slots[c.Interval]
	e.slots[c.Interval] = n + 1
	p.slot = e.epoch.Add(phase(n, c.Interval))
	if e.first.Before(now) {
		e.first = now
	}
	at := e.first
	e.first = e.first.Add(pace)
	e.probes[p.id], e.byKey[key] = p, p
	e.queue.Set(&p.timer, at)
	return p
}

// release lets go of checks, and of the probes that nobody wants any more.
func (e *Engine) release(members []*member) {
	for _, m := range members {
		p := m.probe
		p.drop(m)
		e.able(m)
		if len(p.members) > 0 {
			continue
		}
		e.queue.Remove(&p.timer)
		delete(e.probes, p.id)
		delete(e.byKey, p.key)
		if p.check.Type.Continuous() {
			e.forget = append(e.forget, p.id)
		}
	}
}
