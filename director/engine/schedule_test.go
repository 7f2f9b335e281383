package engine

import (
	"testing"
	"time"
)

// TestSchedule: what was surprising is looked at at once, and once; what is refused later and
// later; after a pass over everything that went well all is as it was.
func TestSchedule(t *testing.T) {
	now := time.Unix(1000, 0)
	s := schedule{every: 30 * time.Second}
	if !s.next().IsZero() {
		t.Error("due before there is a configuration")
	}
	s.configured = true
	for i, step := range []struct {
		whole, failed, surprised bool
		in                       time.Duration // the comparison of everything
		woken                    bool
	}{
		{true, false, false, 30 * time.Second, false},
		{false, false, false, 30 * time.Second, false},
		{false, true, true, 0, true},
		{true, true, true, 200 * time.Millisecond, false},
		{true, true, false, 400 * time.Millisecond, false},
		{true, true, false, 800 * time.Millisecond, false},
		{true, false, false, 30 * time.Second, false},
		{true, true, false, 100 * time.Millisecond, false},
	} {
		if s.backoff > 0 {
			now = s.resync // its turn
		}
		s.done(step.whole, step.failed, step.surprised, now)
		if in := s.resync.Sub(now); in != step.in || s.woken() != step.woken || s.woken() {
			t.Errorf("step %d: compared in %s, want %s", i, in, step.in)
		}
	}
	for range 20 {
		now = s.resync
		s.retry(now)
	}
	if in := s.resync.Sub(now); in != maxRetry {
		t.Errorf("the twentieth time in %s", in)
	}
	// What happens meanwhile, each second say, puts off nothing.
	if s.done(false, true, false, now.Add(time.Second)); s.resync.Sub(now) != maxRetry {
		t.Errorf("a pass before its turn has it come in %s", s.resync.Sub(now))
	}
	s.table.begin(now)
	s.others.begin(now)
	s.pollIn(now, nextPoll)
	s.pollIn(now, firstPoll)
	s.pollIn(now, nextPoll)
	if in := s.next().Sub(now); in != firstPoll {
		t.Errorf("connections are counted in %s", in)
	}
}

// TestPace: looks come every second, and later and later where each finds somebody at work.
func TestPace(t *testing.T) {
	now := time.Unix(1000, 0)
	var p pace
	if p.due(now) {
		t.Error("due before it began")
	}
	p.begin(now)
	for i, step := range []struct {
		disturbed bool
		in        time.Duration
	}{{false, time.Second}, {true, time.Second}, {true, time.Second}, {true, 2 * time.Second}, {true, 4 * time.Second}, {true, 5 * time.Second}, {false, time.Second}} {
		now = p.at
		if p.due(now.Add(-1)) || !p.due(now) {
			t.Errorf("look %d is not due at its time", i)
		}
		p.looked(now, step.disturbed, 5*time.Second)
		if in := p.at.Sub(now); in != step.in {
			t.Errorf("after look %d the next is in %s, want %s", i, in, step.in)
		}
	}
}
