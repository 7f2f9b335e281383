package engine

import (
	"errors"
	"slices"
	"time"

	"usher/director"
	"usher/director/ipvs"
)

// atOnce is how many operations the kernel is asked for in one step.
const atOnce = 2000

// failure is an operation that the kernel refused, and whose service it is about.
type failure struct {
	virtualServer string
	err           error
}

// evaluate evaluates the pools concerned and gives what has to be done for them and for
// what is no longer configured.
func (s *state) evaluate(all bool, now time.Time) []work {
	works, poll := s.pools.evaluate(all, !s.schedule.poll.IsZero(), s.table.entries, now)
	for _, w := range works {
		s.journal.tell(w.events...)
	}
	if poll {
		s.schedule.pollIn(now, firstPoll)
	}
	// Another usher, and a plan made beside this one, shall know of them.
	if slow := s.pools.slowStarts(); !slow.equal(s.memory.Ramps) {
		s.memory.Ramps = slow
		s.memory.keep()
	}
	if len(s.departures) > 0 {
		w, some := s.departures.work(s.table.entries)
		if some {
			s.schedule.pollIn(now, nextPoll)
		}
		works = append(works, w)
	}
	return works
}

// apply has the kernel do the work: first all that brings servers in, then what takes some
// out, except where the servers that were to replace them did not come in.
func (s *state) apply(works []work) []failure {
	count := 0
	for _, w := range works {
		count += len(w.ops)
	}
	grow, shrink := make([]director.Op, 0, count), []director.Op(nil)
	want := ipvs.Table{} // of the services that shrink
	for _, w := range works {
		split := slices.IndexFunc(w.ops, director.Shrinks)
		if split < 0 {
			split = len(w.ops)
		}
		grow, shrink = append(grow, w.ops[:split]...), append(shrink, w.ops[split:]...)
		for _, op := range w.ops[split:] {
			want[op.Key] = w.want[op.Key]
		}
	}
	failed := s.do(grow)
	return append(failed, s.do(s.table.allowed(shrink, want))...)
}

// do has the kernel do ops and takes note of what came of each.
func (s *state) do(ops []director.Op) (failed []failure) {
	if len(ops) == 0 {
		return nil
	}
	results := s.ask(ops)
	s.table.did(ops, results)
	for i, op := range ops {
		if results[i] == nil {
			s.journal.stats.Ops[op.Kind]++
			continue
		}
		f := failure{s.nameOf(op.Key), refused(op, results[i])}
		failed = append(failed, f)
		s.journal.stats.Errors++
		if unexpected(results[i]) && s.schedule.backoff == 0 {
			continue // the look at the table that follows says what somebody else did
		}
		s.journal.report(f.err, f.virtualServer, time.Now())
	}
	return failed
}

// ask has the kernel do ops, and gives the error of each.
func (s *state) ask(ops []director.Op) []error {
	results := make([]error, len(ops))
	for from := 0; from < len(ops); from += atOnce {
		s.step()
		copy(results[from:], s.kernel.Apply(ops[from:min(from+atOnce, len(ops))]))
	}
	return results
}

// joined gives the failures of one virtual server.
func joined(failed []failure, virtualServer string) error {
	var errs []error
	for _, f := range failed {
		if f.virtualServer == virtualServer {
			errs = append(errs, f.err)
		}
	}
	return errors.Join(errs...)
}
