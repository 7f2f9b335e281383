// Package share is what directors of one group know together: what operators said of real
// servers, as entries of which the last one written wins, and a document of each member,
// which it writes of itself alone. It is pure: no socket, clock or goroutine. What comes
// from others is bounded and looked at here, and whoever is told of the same things ends
// with the same state, in whatever order, however often and by whomever they were told.
package share
