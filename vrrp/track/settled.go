package track

import (
	"context"
	"sync"
	"time"
)

// settled passes results on to publish: the first at once, a change of state only
// when it has lasted for up or down, and not at all if it is taken back before. said is
// the last one that was passed on before, if any. Nothing is passed on after the context
// has ended.
func settled(ctx context.Context, up, down time.Duration, said *result, publish func(result)) func(result) {
	var (
		mu    sync.Mutex
		turn  int // of the results; one that waits is only good in its own
		timer *time.Timer
	)
	say := func(r result) {
		said = &r
		publish(r)
	}
	context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		if timer != nil {
			timer.Stop()
		}
	})
	return func(r result) {
		mu.Lock()
		defer mu.Unlock()
		turn++
		if timer != nil {
			timer.Stop()
		}
		wait := down
		if r.up {
			wait = up
		}
		switch {
		case said != nil && said.up == r.up && up+down > 0:
			// as before: what was waiting has been taken back
		case said == nil || wait == 0:
			say(r)
		default:
			mine := turn
			timer = time.AfterFunc(wait, func() {
				mu.Lock()
				defer mu.Unlock()
				if mine == turn && ctx.Err() == nil {
					say(r)
				}
			})
		}
	}
}
