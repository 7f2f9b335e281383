package wire

import (
	"context"
	"time"
)

// backstop is how much later than the first thread the second one looks: more than
// the first takes when it is on time.
const backstop = 500 * time.Microsecond

// unguarded is how long the guard sleeps where no timer runs. A deadline that
// is set or moves nearer while it sleeps has the first thread alone.
const unguarded = 100 * time.Millisecond

// guard is the life of a second thread, which watches over the deadlines of the
// first. A timer fires on the processor that it was set on; where that one stands
// still (a virtual processor that its host gives no time, a long stretch in the
// kernel that nothing may interrupt) a real-time schedule is of no help, and the
// others run on. So each thread keeps to one half of the processors, and what the
// first has not done shortly after it was due the second does.
func (l *Loop) guard(ctx context.Context, bell *Bell) {
	for ctx.Err() == nil {
		left := unguarded
		if at, armed := l.overdue(); armed {
			left = time.Until(at) + backstop
		}
		bell.waitFor(left)
	}
}

// overdue does what has been due for a while, after it has read what has arrived,
// and gives the next deadline.
func (l *Loop) overdue() (at time.Time, armed bool) {
	l.turn.Lock()
	defer l.turn.Unlock()
	if at, armed = l.engine.Deadline(); armed && time.Until(at) <= -backstop {
		l.ears.drain(l.engine)
		l.engine.Expire(time.Now())
		at, armed = l.engine.Deadline()
	}
	return at, armed
}
