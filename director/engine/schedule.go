package engine

import "time"

// How soon there is another pass.
const (
	firstPoll = 100 * time.Millisecond // connections of a server that was just told to drain
	nextPoll  = time.Second            // and from then on
	minRetry  = 100 * time.Millisecond // after the kernel refused something, doubled up to maxRetry
	maxRetry  = 8 * time.Second        // what is mended is soon seen to be
)

// schedule says when there is another pass, and what for.
type schedule struct {
	every      time.Duration // between two comparisons of the whole table
	now        bool          // there is something to do
	configured bool
	resync     time.Time // when the whole table is compared next
	table      pace      // of the looks at the table, see pace
	others     pace      // of those at everything else
	poll       time.Time // when connections of what is emptied are counted next; zero for not
	backoff    time.Duration
}

// wake has another pass come at once.
func (s *schedule) wake() { s.now = true }

// woken tells, once, whether there is something to do.
func (s *schedule) woken() bool {
	now := s.now
	s.now = false
	return now
}

// pollIn has connections counted soon.
func (s *schedule) pollIn(now time.Time, in time.Duration) {
	if at := now.Add(in); s.poll.IsZero() || at.Before(s.poll) {
		s.poll = at
	}
}

// retry has everything compared soon, after a kernel refused something. A pass that fails
// before its turn, for what happens meanwhile, puts it off no further.
func (s *schedule) retry(now time.Time) {
	if s.backoff > 0 && now.Before(s.resync) {
		return
	}
	s.backoff = min(max(2*s.backoff, minRetry), maxRetry)
	s.resync = now.Add(min(s.backoff, s.every))
}

// done takes how a pass went: whole is one over everything, surprised one in which the
// table was not as it was believed to be.
func (s *schedule) done(whole, failed, surprised bool, now time.Time) {
	for _, look := range []*pace{&s.table, &s.others} {
		if look.at.IsZero() {
			look.begin(now)
		}
	}
	switch {
	case failed && surprised && s.backoff == 0:
		s.backoff, s.resync = minRetry, now // look at once
		s.wake()
	case failed:
		s.retry(now)
	case whole:
		s.backoff = 0
		s.resync = now.Add(s.every)
		s.table.begin(now)
	}
}

// next is when the next pass is due by the clock; zero for never.
func (s *schedule) next() time.Time {
	if !s.configured {
		return time.Time{}
	}
	at := s.others.next(s.table.next(s.resync))
	if !s.poll.IsZero() && s.poll.Before(at) {
		at = s.poll
	}
	return at
}
