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

// ApplyOne makes vs the configuration of the virtual server of its name, which Apply has
// brought in before; all others stay as they are and are not looked at. Servers that vs no
// longer has are drained. It returns what is wrong with vs, and then has changed nothing;
// else it waits as Apply does.
func (e *Engine) ApplyOne(ctx context.Context, vs director.VirtualServer) error {
	if errs := vs.Validate(); len(errs) > 0 {
		return errors.Join(errs...)
	}
	vs = director.Canonical([]director.VirtualServer{vs})[0]
	vs.Real, vs.Sorry = slices.Clone(vs.Real), slices.Clone(vs.Sorry) // the caller's list may change again
	return e.request(ctx, func(s *state, done chan<- error) { s.applyOne(vs, done) })
}

// applyOne takes the configuration of one virtual server.
func (s *state) applyOne(vs director.VirtualServer, done chan<- error) {
	if there, err := s.requests.amend(vs, done); err != nil {
		done <- err
		return
	} else if there {
		return
	}
	e := s.pools.byName[vs.Name]
	if e == nil {
		done <- unknown(vs.Name)
		return
	}
	was := *e.pool.Config()
	before, after := was.Services(), vs.Services()
	for _, key := range after {
		if other := s.pools.names[key]; other != "" && other != vs.Name {
			done <- &director.FieldError{Name: vs.Name, Key: "address", Problem: fmt.Sprintf("the service %s is that of virtual server %q, too", key, other),
				Hint: "a service can belong to one virtual server only"}
			return
		}
	}
	now, acting := time.Now(), s.overrides.acting(s.pools)
	if !slices.Equal(before, after) {
		s.table.exchange(before, after)
		s.departures.exchange(&was, before, after, s.table.entries, now)
		s.pools.names = renamed(s.pools.names, vs.Name, before, after)
		s.memory.setOwned(s.table.owned)
		s.memory.keep()
	}
	s.pools.update(e, vs, s.table.entries, &s.memory.record, now)
	s.pools.follow(e.pool)
	s.pools.dirty[vs.Name] = true
	s.journal.tell(s.overrides.idle(acting, s.pools, now)...)
	s.snat.changed = s.snat.changed || !slices.EqualFunc(director.SNATRules(only(&was)), director.SNATRules(only(&vs)), director.SNATRule.Equal)
	none := &director.Settings{}
	s.settings.stale = s.settings.stale || !maps.Equal(none.Sysctls(only(&was)), none.Sysctls(only(&vs)))
	s.requests.singles = append(s.requests.singles, single{vs.Name, done})
}

// only is one virtual server.
func only(vs *director.VirtualServer) iter.Seq[*director.VirtualServer] {
	return func(yield func(*director.VirtualServer) bool) { yield(vs) }
}

// renamed gives names with the services of one virtual server exchanged.
func renamed(names map[ipvs.ServiceKey]string, name string, before, after []ipvs.ServiceKey) map[ipvs.ServiceKey]string {
	if slices.Equal(before, after) {
		return names
	}
	out := maps.Clone(names)
	for _, key := range before {
		delete(out, key)
	}
	for _, key := range after {
		out[key] = name
	}
	return out
}
