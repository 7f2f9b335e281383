// Package parallel spreads what is done for each of many things over all processors. What
// it calls shares nothing, so that whoever calls it stays as pure as it was.
package parallel

import "sync"

// Part is how many things one goroutine goes through: enough to be worth it, and all
// processors have some where the things are many.
const Part = 64

// Parts calls f for the numbers from 0 to n-1, a part of them each time, on all processors
// at once. It returns when every call has.
func Parts(n int, f func(from, to int)) {
	if n <= Part {
		f(0, n)
		return
	}
	var wait sync.WaitGroup
	for from := 0; from < n; from += Part {
		wait.Go(func() { f(from, min(from+Part, n)) })
	}
	wait.Wait()
}
