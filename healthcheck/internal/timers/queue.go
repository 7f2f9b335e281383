// Package timers is the one timer structure of the health checks: a container/heap by
// time whose entries know their place, so that they can be moved and taken out.
package timers

import (
	"container/heap"
	"time"
)

// Timer is an entry of a queue. The zero value is one that is not queued.
type Timer[T any] struct {
	At    time.Time
	Value T
	index int // in the heap, from 1; 0 while not queued
}

// Queued says whether t is in a queue.
func (t *Timer[T]) Queued() bool { return t.index != 0 }

// Queue holds timers. The zero value is empty and ready.
type Queue[T any] struct{ heap byTime[T] }

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
		heap.Push(&q.heap, t)
	} else {
		heap.Fix(&q.heap, t.index-1)
	}
}

// Remove takes t out, if it is queued.
func (q *Queue[T]) Remove(t *Timer[T]) {
	if t.index != 0 {
		heap.Remove(&q.heap, t.index-1)
	}
}

// byTime is what container/heap orders. Push and Pop are its: they are at the end.
type byTime[T any] []*Timer[T]

func (h byTime[T]) Len() int           { return len(h) }
func (h byTime[T]) Less(i, j int) bool { return h[i].At.Before(h[j].At) }

func (h byTime[T]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i+1, j+1
}

func (h *byTime[T]) Push(t any) {
	*h = append(*h, t.(*Timer[T]))
	(*h)[len(*h)-1].index = len(*h)
}

func (h *byTime[T]) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last], *h = nil, (*h)[:last]
	t.index = 0
	return t
}
