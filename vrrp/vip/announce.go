package vip

import (
	"sync"
	"time"
)

// spread is the time between the rounds of one burst: long enough that a queue
// that was full for the first has emptied, short enough to be over at once.
const spread = 20 * time.Millisecond

// schedule says what is to be announced and when.
type schedule struct {
	queue   []notice // due now, as far as pacing allows
	rounds  int      // more rounds of the running burst
	roundAt time.Time
	againAt time.Time // of the delayed second burst; zero for none
	refresh time.Time // of the next refresh; zero for none
}

// first puts the announcement of a new address at the head, to go out at once.
func (s *schedule) first(p plan, o Object) {
	if n, ok := p.says[o.Identity()]; ok {
		s.queue = append([]notice{n}, s.queue...)
	}
}

// begin starts a burst and, after its delay, another one. Where the new addresses
// were announced already, that was the first round.
func (s *schedule) begin(p plan, now time.Time, announced bool) {
	s.rounds, s.roundAt = p.announce.Repeat, now
	if announced {
		s.rounds, s.roundAt = s.rounds-1, now.Add(spread)
	}
	s.againAt = after(now, p.announce.Delay)
	s.refresh = after(now, p.announce.Refresh)
}

// after is now and d, zero where d is.
func after(now time.Time, d time.Duration) time.Time {
	if d == 0 {
		return time.Time{}
	}
	return now.Add(d)
}

// due moves into the queue what has come due.
func (s *schedule) due(p plan, now time.Time) {
	if !s.againAt.IsZero() && !now.Before(s.againAt) {
		s.rounds, s.roundAt, s.againAt = p.announce.Repeat, now, time.Time{}
	}
	if len(s.queue) > 0 {
		return // pacing holds up a round; the next one waits for its end
	}
	switch {
	case s.rounds > 0 && !now.Before(s.roundAt):
		s.queue = append(s.queue, p.notices...)
		s.rounds--
		s.roundAt = now.Add(spread)
	case !s.refresh.IsZero() && !now.Before(s.refresh):
		s.queue = append(s.queue, p.notices...)
		s.refresh = after(now, p.announce.Refresh)
	}
}

// next is when there is more to do; zero for never.
func (s *schedule) next() time.Time {
	round := s.roundAt
	if s.rounds == 0 {
		round = time.Time{}
	}
	return earliest(round, s.againAt, s.refresh)
}

// announce sends what is due. Before each one it is checked again that the
// instance is active and has the address. It gives the time of the next look.
func (k *worker) announce(p plan) time.Time {
	s := &k.work.schedule
	s.due(p, time.Now())
	for len(s.queue) > 0 {
		a := s.queue[0]
		if t := k.work.have[a.of]; t == nil || t.lost {
			s.queue = s.queue[1:]
			continue
		}
		if wait := k.m.pacer.take(a.Link, p.announce.Pace, time.Now()); wait > 0 {
			return time.Now().Add(wait)
		}
		if !k.active.Load() {
			return time.Time{}
		}
		s.queue = s.queue[1:]
		if err := k.m.o.Kernel.Announce(a.Announcement); err != nil {
			k.m.o.Log.Warn("vrrp: cannot announce", "instance", k.name, "address", a.Address, "interface", a.Link, "error", err)
		}
	}
	return s.next()
}

// pacer keeps a least time between two announcements on one interface, whichever
// instances they are of. Its zero value is ready.
type pacer struct {
	mu   sync.Mutex
	free map[string]time.Time // when an interface is free for the next one
}

// take claims the interface for one announcement; where it is not free yet it
// gives the time to wait.
func (p *pacer) take(link string, pace time.Duration, now time.Time) time.Duration {
	if pace <= 0 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if wait := p.free[link].Sub(now); wait > 0 {
		return wait
	}
	if p.free == nil {
		p.free = map[string]time.Time{}
	}
	p.free[link] = now.Add(pace)
	return 0
}
