// Package track watches what raises and lowers the priority of instances, or
// holds them in fault: scripts, files and processes, and the witnesses that give
// a second opinion before a takeover. Interfaces are the engine's own matter;
// virtual servers and BFD peers are told by whoever watches them.
//
// What several instances track in the same way is watched once. A change of
// configuration leaves alone whatever it does not touch.
//
//	t := track.New(track.Options{Log: log, Report: adjust, Witness: answers, Run: program})
//	t.Apply(instances) // again at each change of the configuration
//	err := t.Run(ctx)
package track
