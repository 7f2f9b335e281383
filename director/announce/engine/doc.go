// Package engine drives the decisions of package announce: it asks how things stand, steps
// the machine of each prefix, and has the BGP speaker, the addresses on lo and the packet
// filter follow.
//
//	e := engine.New(engine.Options{Speaker: speaker, Host: host, Filter: filter, Pools: pools})
//	go e.Run(ctx)
//	err := e.Apply(ctx, config)
//	err = e.Retire(ctx, gone) // before what these prefixes need is taken away
//	err = e.Stop(ctx)         // all withdrawn in good order; then cancel ctx
//
// One goroutine, that of Run, owns all that changes. Callers put what they want into its
// inbox, and readers have a snapshot.
package engine
