package cli

import "runtime/debug"

// How much garbage may gather beside what lives, in percent of it. At work it is
// half of Go's default, as what probes leave behind is little beside what they need
// to know, and the memory is the machine's. A start is over soon and mostly makes
// what stays: to look through all that over and over as it grows is a good part of
// what it would take. (Go's heap may then be 64 MB before it is looked through first.)
const (
	gcPercent      = 50
	gcPercentStart = 1600
)

// hasty has a start not stop for garbage.
func (a *app) hasty() { a.gather(gcPercentStart) }

// thrifty keeps a long-lived process small.
func (a *app) thrifty() { a.gather(gcPercent) }

// gather sets how much garbage may gather, unless the environment does.
func (a *app) gather(percent int) {
	if a.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}
