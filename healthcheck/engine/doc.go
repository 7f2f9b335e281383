// Package engine runs the checks of many servers, ten thousand probes a second: it owns
// time. Probes are spread over their interval, identical ones run once, an idle check has
// no goroutine, and results become verdicts by the pure rules of package healthcheck.
//
//	e := engine.New(engine.Options{Prober: probe.New(probe.Options{}), Results: changed})
//	if err := e.Apply(targets); err != nil { // again at each change of the configuration
//		return err
//	}
//	return e.Run(ctx) // until ctx ends
//
// How a probe is carried out is the Prober's, which package healthcheck/probe has for this
// machine and ProberFunc makes of a function, for tests and simulations.
package engine
