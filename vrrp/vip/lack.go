package vip

import "fmt"

// lack is what the kernel refuses, object by object with its word; "" for nothing. An
// instance that lacks what carries its addresses gives way, for nobody reaches them here
// and a peer may do better. One that lacks a route or a rule of its own serves whom it
// reaches, and says so: as both directors of a pair have them from one file, giving way
// would take the addresses away for good.
type lack struct{ held, paths string }

// path says whether an object is a route or a rule of an instance.
func path(o Object) bool {
	switch o.(type) {
	case Route, Rule:
		return true
	}
	return false
}

// note adds an object.
func (l *lack) note(o Object, err error) {
	to := &l.held
	if path(o) {
		to = &l.paths
	}
	join(to, fmt.Sprintf("%s: %v", o, err))
}

// and adds what else is lacked.
func (l *lack) and(other lack) {
	join(&l.held, other.held)
	join(&l.paths, other.paths)
}

func join(to *string, more string) {
	if *to != "" && more != "" {
		*to += "; "
	}
	*to += more
}
