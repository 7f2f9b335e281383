package timers_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"usher/healthcheck/internal/timers"
)

// TestQueueIsASortedList drives the heap and a plain list side by side.
func TestQueueIsASortedList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q timers.Queue[int]
		base := time.Unix(1000, 0)
		all := make([]*timers.Timer[int], 20)
		for i := range all {
			all[i] = &timers.Timer[int]{Value: i}
		}
		model := map[int]time.Time{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			tm := all[rapid.IntRange(0, len(all)-1).Draw(t, "timer")]
			if rapid.Bool().Draw(t, "set") {
				at := base.Add(time.Duration(rapid.IntRange(0, 50).Draw(t, "at")))
				q.Set(tm, at)
				model[tm.Value] = at
			} else {
				q.Remove(tm)
				delete(model, tm.Value)
			}
			if q.Len() != len(model) {
				t.Fatalf("%d queued, want %d", q.Len(), len(model))
			}
			for i, tm := range all {
				if _, want := model[i]; tm.Queued() != want {
					t.Fatalf("timer %d queued: %v, want %v", i, tm.Queued(), want)
				}
			}
		}
		var got, want []time.Time
		for at := range model {
			want = append(want, model[at])
		}
		slices.SortFunc(want, time.Time.Compare)
		for tm := q.First(); tm != nil; tm = q.First() {
			got = append(got, tm.At)
			q.Remove(tm)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("order %v, want %v", got, want)
		}
	})
}
