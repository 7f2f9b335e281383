// Package probe carries out health checks: one file for each kind. Every kind is a
// function of one type (healthcheck.Func) that ends when its context does, whatever
// the server does, with everything that it opened. Plain TCP and HTTP, which come by
// the thousand, run on an event loop instead (package loop); the words of their
// answers are the same.
//
// A timeout counts the time in which this process gets to run (package deadline): neither
// an event loop nor a context that sleeps through it takes a server down.
//
//	prober := probe.New(probe.Options{Log: log, Commands: program})
//	checks := engine.New(engine.Options{Prober: prober, Results: changed}) // package healthcheck/engine runs it
package probe
