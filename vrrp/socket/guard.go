package socket

import (
	"context"
	"time"
)

// backstop is how much later than the first thread the second one looks: more than
// the first takes when it is on time.
const backstop = 500 * time.Microsecond

// unguarded is how long the guard sleeps where no timer runs, or the next one is
// later yet.
const unguarded = time.Minute

// guard is the life of a second thread, which watches over the deadlines of the
// first. A timer fires on the processor that it was set on; where that one stands
// still (a virtual processor that its host gives no time, a long stretch in the
// kernel that nothing may interrupt) a real-time schedule is of no help, and the
// others run on. So each thread keeps to one half of the processors, and what the
// first has not done shortly after it was due the second does.
func (l *Loop) guard(ctx context.Context, wakeup *Wakeup) {
	for ctx.Err() == nil {
		wakeup.waitFor(time.Until(l.overdue()))
	}
}

// overdue does what has been due for a while, after it has read what has arrived,
// and gives the time at which to look again.
func (l *Loop) overdue() (next time.Time) {
	l.stepping.Lock()
	defer l.stepping.Unlock()
	at, armed := l.engine.Deadline()
	if armed && time.Until(at) <= -backstop {
		l.listeners.drain(l.engine)
		l.engine.Expire(time.Now())
		at, armed = l.engine.Deadline()
	}
	l.guarded = time.Now().Add(unguarded)
	if at = at.Add(backstop); armed && at.Before(l.guarded) {
		l.guarded = at
	}
	return l.guarded
}

// guardNearer wakes the guard where a deadline has come before the one that it
// sleeps for. The caller has its turn.
func (l *Loop) guardNearer(at time.Time, armed bool) {
	if armed && at.Add(backstop).Before(l.guarded) {
		l.guardWakeup.Wake()
	}
}
