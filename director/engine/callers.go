package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"usher/director"
	"usher/healthcheck"
)

// Apply makes servers the whole configuration. It returns what is wrong with it,
// joined, and then has changed nothing; else it waits until Run has brought the
// kernel there once and returns what the kernel refused, which Run goes on trying.
func (e *Engine) Apply(ctx context.Context, servers []director.VirtualServer) error {
	if errs := director.ValidateSet(servers); len(errs) > 0 {
		return errors.Join(errs...)
	}
	servers = director.Canonical(servers)
	return e.request(ctx, func(s *state, done chan<- error) { s.requests.apply(servers, done) })
}

// Configure makes c the settings and waits until Run has set them once. They are
// compared and put right again every second.
func (e *Engine) Configure(ctx context.Context, c director.Settings) error {
	return e.request(ctx, func(s *state, done chan<- error) { s.requests.configure(c, done) })
}

// request has Run do something in its next pass, and waits for what came of it.
func (e *Engine) request(ctx context.Context, take func(s *state, done chan<- error)) error {
	done := make(chan error, 1)
	e.inbox.tell(func() {
		take(e.state, done)
		e.state.schedule.wake()
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// SetHealth takes a verdict of the checks. It never waits.
func (e *Engine) SetHealth(u healthcheck.Update) {
	e.inbox.tell(func() {
		if e.state.pools.verdict(u) {
			e.state.schedule.wake()
		}
	})
}

// SetActive says whether a VRRP instance is active; the synchronisation daemon
// that follows it becomes master or backup. It never waits.
func (e *Engine) SetActive(instance string, active bool) {
	e.inbox.tell(func() {
		if e.state.sync.setActive(instance, active) {
			e.state.schedule.wake()
		}
	})
}

// SetOther tells Plan which virtual servers another Engine runs with the same state
// folder: whose the services are and how long their servers drain. It never waits.
func (e *Engine) SetOther(servers []director.VirtualServer) {
	e.inbox.tell(func() { e.state.other = servers })
}

// Override sets what an operator says of a server, OverrideNone lifts it. It is
// remembered before it takes effect, if the state folder can be written. A server that is
// not there at present is an error, but where servers are discovered, or something was
// said of it before: that takes effect when it is back.
func (e *Engine) Override(vs string, rs netip.AddrPort, o director.Override) (effect director.Effect, err error) {
	if o.Mode == director.OverrideNone {
		o.Until = time.Time{}
	}
	counters := e.count()
	now := time.Now()
	if o.Since.IsZero() {
		o.Since = now
	}
	if err := o.Validate(rs); err != nil {
		return director.Effect{}, err
	}
	e.inbox.ask(func() {
		s := e.state
		p := s.pools.find(vs)
		if p == nil {
			err = unknown(vs)
			return
		}
		switch {
		case p.Has(rs):
			effect = p.Effect(rs, o, counters, now)
		case p.Config().Discovered || s.memory.override(vs, rs).Mode != director.OverrideNone:
			effect.Absent = true
		default:
			err = fmt.Errorf("director: virtual server %q has no real server %s", vs, rs)
			return
		}
		var told director.Event
		effect.Lifted, told = s.overrides.set(vs, rs, o, now)
		s.memory.keep()
		effect.Unsaved = s.memory.unsaved
		s.pools.touch(vs).SetOverride(rs, o, now)
		s.journal.tell(told)
		s.schedule.wake()
	})
	return effect, err
}

// Hear sets what operators said elsewhere, of servers that there may not be here yet: it
// is kept, and holds when they come. It is remembered before it takes effect, if the state
// folder can be written; what is so already changes nothing. An error says of what has not
// been taken.
func (e *Engine) Hear(said []director.Said) error {
	var errs []error
	now := time.Now()
	e.inbox.ask(func() {
		s := e.state
		if err := s.remember(true); err != nil {
			errs = append(errs, err)
			return
		}
		changed := false
		for _, one := range said {
			vs, rs, o := one.VirtualServer, one.RealServer, one.Override
			if err := o.Validate(rs); err != nil {
				errs = append(errs, err)
				continue
			}
			if before := s.memory.override(vs, rs); before.Same(o) {
				continue
			}
			_, told := s.overrides.set(vs, rs, o, now)
			if p := s.pools.find(vs); p != nil && p.Has(rs) {
				s.pools.touch(vs).SetOverride(rs, o, now)
			}
			s.journal.tell(told)
			changed = true
		}
		if changed {
			s.memory.keep()
			s.schedule.wake()
		}
	})
	return errors.Join(errs...)
}

// Overrides are what operators said, of servers that there are and of others.
func (e *Engine) Overrides() (all []director.Said, err error) {
	e.inbox.ask(func() {
		s := e.state
		if err = s.remember(true); err != nil {
			return
		}
		for vs, of := range s.memory.Overrides {
			for rs, o := range of {
				if address, err := netip.ParseAddrPort(rs); err == nil {
					all = append(all, director.Said{VirtualServer: vs, RealServer: address, Override: o})
				}
			}
		}
	})
	return all, err
}
