// Package engine runs many virtual routers, each a vrrp.Machine, with what ties
// them to each other and to the machine they run on: receipt checks, sync groups,
// tracking, split-brain detection, statistics. It has no socket, no clock and no
// goroutine: every method takes the time, what it wants done goes to Ports. So the
// same engine runs on real sockets (package socket) and in virtual time in tests.
//
// An Engine is not safe for concurrent use. Its driver steps it from one place
// and keeps one rule: what has been received goes to Receive before Expire is
// called, for an advertisement that waits in a queue beats an expired timer.
//
//	e := engine.New(engine.Options{Ports: ports})
//	e.Apply(now, desired)
//	for { // the driver: sleep until e.Deadline() or a message, whichever is first
//		e.Receive(now, message)
//		e.Expire(now)
//	}
package engine
