// Package engine drives the decisions of package director: it makes pools of virtual
// servers and verdicts, compares them with the kernel's table, and brings the kernel there,
// again whenever a verdict, an operator, a deadline or the kernel itself changes something.
//
//	e := engine.New(engine.Options{Kernel: kernel, State: folder, Events: took})
//	go e.Run(ctx)
//	err := e.Apply(ctx, servers) // again at each change of the configuration
//	e.SetHealth(update)          // of the checks
package engine
