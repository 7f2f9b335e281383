package engine

import (
	"fmt"
	"slices"
	"time"

	"usher/healthcheck"
	"usher/vrrp/timespan"
)

// overloadEvery is the least time between two overload events.
const overloadEvery = 10 * time.Second

// overload gathers late probes until they are worth telling.
type overload struct {
	count int
	worst time.Duration
	told  time.Time
}

func (o *overload) add(late time.Duration) {
	o.count++
	o.worst = max(o.worst, late)
}

func (o *overload) report(now time.Time, tell func(healthcheck.Event)) {
	if o.count == 0 || (!o.told.IsZero() && now.Sub(o.told) < overloadEvery) {
		return
	}
	tell(healthcheck.Event{Kind: healthcheck.EventOverload, At: now, Message: fmt.Sprintf(
		"%d probes started late by more than half their interval, the worst by %s: this machine is too busy, or has more checks than it can run",
		o.count, timespan.Text(o.worst))})
	*o = overload{told: now}
}

func (e *Engine) event(ev healthcheck.Event) {
	if ev.Kind == healthcheck.EventCanRun {
		e.log.Info(ev.Message, "event", string(ev.Kind))
	} else {
		e.log.Warn(ev.Message, "event", string(ev.Kind))
	}
	e.out.put(delivery{event: &ev})
}

// expiry tells once of a certificate that ends within its warning time.
func (e *Engine) expiry(now time.Time, p *probe) {
	tls := p.check.TLS
	if tls == nil || tls.ExpiryWarning == 0 || p.last.Expiry.IsZero() || p.last.Expiry.Equal(p.warned) ||
		p.last.Expiry.Sub(now) > tls.ExpiryWarning {
		return
	}
	p.warned = p.last.Expiry
	for _, m := range p.members {
		e.event(healthcheck.Event{Kind: healthcheck.EventExpiry, At: now, ID: m.target.id, Check: m.label(), Message: fmt.Sprintf(
			"the certificate of %s (%s of %q) ends %s", p.check.Address, m.label(), m.target.id.VirtualServer,
			timespan.At(p.last.Expiry))})
	}
}

// passiveEvery is the most time between two probes that unanswered connections trigger.
const passiveEvery = time.Second

// Unanswered tells of connections to a server that IPVS shows as begun and never
// answered. When a passive check's threshold is reached the server is probed at once.
func (e *Engine) Unanswered(id healthcheck.ID, n int) {
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.targets[id]
	if t == nil || t.passive == 0 || n < t.passive {
		return
	}
	for _, m := range t.members {
		// Not more often than this: the count stays high for as long as the
		// connections wait.
		if p := m.probe; e.hasten(p, now, p.started.Add(min(p.check.Interval/10, passiveEvery))) {
			e.stats.Passive++
		}
	}
	e.rouse()
}

// Status is one server as its checks see it.
func (e *Engine) Status(id healthcheck.ID) (healthcheck.Status, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.targets[id]
	if t == nil {
		return healthcheck.Status{}, false
	}
	return t.status(), true
}

// Statuses are all servers, in the order that they were applied in.
func (e *Engine) Statuses() []healthcheck.Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]healthcheck.Status, 0, len(e.targets))
	for id := range e.order.all() {
		if t := e.targets[id]; t != nil {
			list = append(list, t.status())
		}
	}
	return list
}

func (t *target) status() healthcheck.Status {
	s := healthcheck.Status{ID: t.id, Verdict: t.sent, Since: t.since, Checks: make([]healthcheck.CheckStatus, len(t.members))}
	s.History = slices.Clip(t.history)
	for i, m := range t.members {
		p := m.probe
		c := healthcheck.CheckStatus{
			Type: p.check.Type, Name: m.name, State: m.health.State, Initial: !m.health.Decided,
			Outcome: p.last.Outcome, Latency: p.last.Latency, LastRun: p.started, Since: m.since, Expiry: p.last.Expiry,
		}
		if tls := p.check.TLS; tls != nil && tls.ExpiryWarning > 0 && !c.Expiry.IsZero() {
			if since := c.Expiry.Add(-tls.ExpiryWarning); !since.After(time.Now()) {
				c.ExpiringSince = since
			}
		}
		if p.last.Outcome != healthcheck.Pass {
			c.LastError = p.last.Reason
		}
		if !p.unable.IsZero() {
			c.CannotRun, c.CannotRunSince = p.reason, p.unable
		}
		if p.timer.Queued() {
			c.NextRun = p.timer.At
		}
		s.Checks[i] = c
	}
	return s
}
