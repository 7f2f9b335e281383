// Package engine drives the decisions of package director: it makes pools of virtual
// servers and verdicts, compares them with the kernel's table, and brings the kernel there,
// again whenever a verdict, an operator, a deadline or the kernel itself changes something.
//
//	e := engine.New(engine.Options{Kernel: kernel, State: "/var/lib/usher"})
//	go e.Run(ctx)
//	err := e.Apply(ctx, servers) // the whole configuration; back when the kernel has it
//	e.SetHealth(update)          // a verdict of the checks; never waits
//	list := e.Status()
//
// One goroutine, that of Run, owns all that changes (state, and the parts that it is made
// of, a file each). Everybody else asks through the inbox, in order; the one mutex of the
// package guards its queue. Where Run does not run, who asks owns the state meanwhile, so
// that a plan needs no Run.
//
// Run works in passes, each written down in one line: look, decide, have the kernel do it,
// take note. A call of the kernel may take long. It goes on beside Run (type calls), which
// serves the inbox until the answer is there. So the state changes under a pass at its
// calls of the kernel and nowhere else, and nobody who asks waits for a kernel that hangs.
//
// Readers have a snapshot, which nothing changes any more. It is made when somebody asks
// for it, after all that was asked for before, so that who has said something finds it
// there; it costs no copy, since a pool that a snapshot has is copied before it changes
// the next time. If Run does not come to it within a second, as when the disk of the state
// folder hangs, the last snapshot is what they get.
package engine
