package engine

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"usher/director"
	"usher/director/ipvs"
)

// pass brings the kernel to what is wanted now: the services of pools that
// changed, or everything where the whole table is due.
func (s *state) pass() {
	now := time.Now()
	defer s.journal.deliver()
	req, set := s.requests.take()
	defer s.requests.release()
	if set != nil {
		s.settings.wanted = &set.settings
	}
	disturbed := s.spotCheck(now)
	// Where answers were lost, nothing may be planned on what is only believed.
	quick := s.takeKnown(req, now)
	full := !quick && (s.schedule.configured && (!now.Before(s.schedule.resync) || len(s.table.uncertain) > 0) || req != nil)
	if full {
		s.journal.begin()
		if err := s.compare(req, now); err != nil {
			s.unreadable(req, err)
			full, req = false, nil
		}
	}
	s.step()
	var errs []error
	if full || set != nil || s.settings.due() || s.sync.due(now) || disturbed {
		errs = append(errs, s.keepSettings()...)
		if set != nil {
			set.answer(errors.Join(errs...))
		}
	}
	if !s.schedule.configured || !s.table.seen() || len(s.table.uncertain) > 0 {
		return
	}
	if poll := s.schedule.poll; !poll.IsZero() && !now.Before(poll) {
		s.pollDrains(now)
	}
	s.liftEnded(now, true)
	s.step()
	if s.snat.due() || full || quick {
		errs = append(errs, s.snat.keep(s.pools.each()))
	}
	singles := s.requests.takeSingles()
	failed := s.apply(s.evaluate(full || quick, now))
	for _, f := range failed {
		errs = append(errs, f.err)
	}
	s.finish(full, errors.Join(errs...))
	s.requests.answerSingles(singles, failed, s.schedule.now)
	if quick {
		s.requests.owed, s.schedule.resync = req, now
		s.schedule.wake()
	} else if req != nil {
		req.answer(errors.Join(errs...))
	}
}

// compare reads the whole table, tells what differs from how it was left, takes a new
// configuration if there is one, and believes what it read.
func (s *state) compare(req *request, now time.Time) error {
	have, err := s.read()
	if err != nil {
		return fmt.Errorf("director: read the IPVS table: %w", err)
	}
	s.journal.repaired(s.table.drift(have, s.nameOf, now)...)
	if req != nil && !req.taken {
		s.adopt(req.servers, have, now)
		req.taken, s.schedule.configured = true, true
	}
	s.table.take(have)
	return nil
}

// read reads the whole table, and notes how long that takes.
func (s *state) read() (ipvs.Table, error) {
	began := time.Now()
	have, err := s.kernel.Read()
	s.reading = time.Since(began)
	return have, err
}

// takeKnown takes a new configuration without a look at the kernel, if all its services
// are ours already: to read a large table takes longer than the rest of a reload, and
// health changes are planned on what is believed, too. The table is compared right
// after it, and only then does whoever asked hear of it.
func (s *state) takeKnown(req *request, now time.Time) bool {
	if req == nil || req.taken || !s.table.seen() || len(s.table.uncertain) > 0 || !s.table.owns(req.servers) {
		return false
	}
	s.adopt(req.servers, s.table.entries, now)
	req.taken = true
	return true
}

// adopt takes a new configuration: pools are made, updated and dropped, services
// that it no longer has retire, and what is owned is remembered before anything
// of it is in the kernel.
func (s *state) adopt(servers []director.VirtualServer, have ipvs.Table, now time.Time) {
	acting := s.overrides.acting(s.pools)
	configured := servicesOf(servers)
	owned, taken := s.table.claim(configured, have)
	for _, key := range taken {
		s.log.Warn("taking over a service that is in the kernel already", "service", key)
	}
	var wait sync.WaitGroup
	if !s.kept || !maps.Equal(owned, s.table.owned) {
		s.memory.setOwned(owned)
		wait.Go(s.memory.keep) // the longest of all that is done here; the next only reads the record
		s.kept = true
	}
	made := s.pools.makeMissing(servers, have, &s.memory.record, now)
	wait.Wait()
	s.table.owned = owned
	s.departures.begin(configured, owned, have, s.pools, now)
	s.pools.replace(servers, made, have, &s.memory.record, now)
	s.journal.tell(s.overrides.idle(acting, s.pools, now)...)
}

// unreadable handles a kernel that cannot be read: whoever waits hears of it, and the
// configuration is tried again.
func (s *state) unreadable(req *request, err error) {
	now := time.Now()
	s.journal.report(err, "", now)
	s.journal.stats.LastError = err.Error()
	s.schedule.retry(now)
	if req != nil {
		s.schedule.configured = true // there is something to retry
		s.requests.again(req)
		req.answer(err)
	}
	s.requests.answerAll(err)
}

// keepSettings brings sysctls, timeouts and the synchronisation daemon to what is wanted.
func (s *state) keepSettings() (errs []error) {
	wanted := s.settings.wanted
	if wanted == nil {
		return nil
	}
	errs = append(errs, s.settings.keep(s.pools.each()))
	now := time.Now()
	if err := s.sync.keep(wanted, s.table, now); err != nil {
		s.journal.report(err, "", now)
		// Its interface may come later; it is tried again with every comparison. That
		// is no reason for all else not to run.
		if !errors.Is(err, unix.ENODEV) {
			errs = append(errs, err)
		}
	}
	return errs
}

// pollDrains counts the connections of everything that is being emptied.
func (s *state) pollDrains(now time.Time) {
	s.schedule.poll = time.Time{}
	keys := append(s.pools.draining(), s.departures.keys()...)
	if len(keys) == 0 {
		return
	}
	sortKeys(keys)
	counters, err := s.kernel.Counters(keys...)
	s.schedule.poll = now.Add(nextPoll)
	if err != nil {
		s.journal.report(fmt.Errorf("director: count connections: %w", err), "", now)
		return
	}
	s.pools.observe(counters, now)
	s.departures.observe(counters, now)
}

// finish closes a pass: what is owned by now is remembered, and a kernel that
// refused something or was not as expected is looked at again soon.
func (s *state) finish(full bool, failure error) {
	now := time.Now()
	if gone := s.departures.end(s.table.entries); len(gone) > 0 {
		for _, key := range gone {
			delete(s.table.owned, key)
		}
		s.memory.setOwned(s.table.owned)
		s.memory.keep()
	}
	if err := s.memory.kept(); err != nil {
		failure = errors.Join(failure, err)
		s.journal.report(err, "", now)
	}
	s.journal.passed(full, failure, now)
	s.schedule.done(full, failure != nil, unexpected(failure), now)
	if full && failure == nil {
		s.journal.over(now)
	}
}
