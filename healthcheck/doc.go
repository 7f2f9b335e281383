// Package healthcheck finds out whether real servers do their work: checkers of
// every kind, the rise and fall of each server's state, and an engine that runs
// ten thousand of them a second.
//
// The state (State, Step) is pure. Checkers are one file each and end at their
// context's deadline, whatever the server does. The engine owns time: probes are
// spread over their interval and identical ones run once.
package healthcheck
