package healthcheck

import "time"

// timer is a place in the queue. It belongs to a probe or to a target.
type timer struct {
	at     time.Time
	index  int // in the heap, from 1; 0 while not queued
	probe  *probe
	target *target
}

// queue is the one timer structure of all checks: a binary heap by time, whose
// entries know their place so that they can be moved.
type queue struct{ heap []*timer }

// first is the earliest, nil if there is none.
func (q *queue) first() *timer {
	if len(q.heap) == 0 {
		return nil
	}
	return q.heap[0]
}

// set queues t, or moves it if it is queued.
func (q *queue) set(t *timer) {
	if t.index == 0 {
		q.heap = append(q.heap, t)
		t.index = len(q.heap)
	}
	q.fix(t)
}

// fix moves a queued t to where its time belongs.
func (q *queue) fix(t *timer) {
	if t.index == 0 {
		return
	}
	i := t.index - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !t.at.Before(q.heap[parent].at) {
			break
		}
		q.put(i, q.heap[parent])
		i = parent
	}
	for {
		child := 2*i + 1
		if child >= len(q.heap) {
			break
		}
		if right := child + 1; right < len(q.heap) && q.heap[right].at.Before(q.heap[child].at) {
			child = right
		}
		if !q.heap[child].at.Before(t.at) {
			break
		}
		q.put(i, q.heap[child])
		i = child
	}
	q.put(i, t)
}

// remove takes t out, if it is queued.
func (q *queue) remove(t *timer) {
	if t.index == 0 {
		return
	}
	i, last := t.index-1, q.heap[len(q.heap)-1]
	q.heap[len(q.heap)-1] = nil
	q.heap = q.heap[:len(q.heap)-1]
	t.index = 0
	if last != t {
		q.put(i, last)
		q.fix(last)
	}
}

func (q *queue) put(i int, t *timer) {
	q.heap[i] = t
	t.index = i + 1
}
