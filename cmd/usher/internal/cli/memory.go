package cli

import "runtime/debug"

// gcPercent is how much garbage may gather beside what lives, in percent of it: half
// of Go's default, as what probes leave behind is little beside what they need to
// know, and the memory is the machine's.
const gcPercent = 50

// thrifty keeps a long-lived process small, unless the environment says otherwise.
func (a *app) thrifty() {
	if a.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
