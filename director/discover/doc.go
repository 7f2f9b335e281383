// Package discover decides which real servers a pool has besides those that are written
// down: what sources (DNS, files, HTTP) list, and what becomes of the pool when they
// list others, fail, or answer nonsense. It is plain data and decisions, without sockets,
// clocks and goroutines; package engine drives it, and the readers of sources are in dns,
// file and http.
//
// A source that fails in any way changes nothing: its last good set stays. Only so much
// of a pool may leave in one step. An entry that the pool cannot have is left out, with
// a reason, and the others are taken.
//
//	p := discover.NewPool(discover.Config{Server: vs, Sources: sources, Default: director.RealServer{Forward: vs.Forward}})
//	out := p.Step(0, answer, now) // of the first source
//	if out.Changed {
//		apply(p.Server())
//	}
package discover
