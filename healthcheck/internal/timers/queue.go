// Package timers is the one timer structure of the health checks: a binary heap by
// time whose entries know their place, so that they can be moved and taken out.
package timers

import "time"

// Timer is an entry of a queue. The zero value is one that is not queued.
type Timer[T any] struct {
	At    time.Time
	Value T
	index int // in the heap, from 1; 0 while not queued
}

// Queued says whether t is in a queue.
func (t *Timer[T]) Queued() bool { return t.index != 0 }

// Queue holds timers. The zero value is empty and ready.
type Queue[T any] struct{ heap []*Timer[T] }

// Len is how many timers are queued.
func (q *Queue[T]) Len() int { return len(q.heap) }

// First is the earliest, nil if there is none.
func (q *Queue[T]) First() *Timer[T] {
	if len(q.heap) == 0 {
		return nil
	}
	return q.heap[0]
}

// Set queues t for a time, or moves it there if it is queued.
func (q *Queue[T]) Set(t *Timer[T], at time.Time) {
	t.At = at
	if t.index == 0 {
		q.heap = append(q.heap, t)
		t.index = len(q.heap)
	}
	q.settle(t)
}

// Remove takes t out, if it is queued.
func (q *Queue[T]) Remove(t *Timer[T]) {
	if t.index == 0 {
		return
	}
	i, last := t.index-1, q.heap[len(q.heap)-1]
	q.heap[len(q.heap)-1] = nil
	q.heap = q.heap[:len(q.heap)-1]
	t.index = 0
	if last != t {
		q.put(i, last)
		q.settle(last)
	}
}

// settle moves a queued timer to where its time belongs: up, then down.
func (q *Queue[T]) settle(t *Timer[T]) {
	i := t.index - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !t.At.Before(q.heap[parent].At) {
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
		if right := child + 1; right < len(q.heap) && q.heap[right].At.Before(q.heap[child].At) {
			child = right
		}
		if !q.heap[child].At.Before(t.At) {
			break
		}
		q.put(i, q.heap[child])
		i = child
	}
	q.put(i, t)
}

func (q *Queue[T]) put(i int, t *Timer[T]) {
	q.heap[i] = t
	t.index = i + 1
}
