package vrrp

import "fmt"

// FieldError is one thing wrong with a configuration, and where.
type FieldError struct {
	// Name is the instance or sync group that is wrong.
	Name string
	// Key is the place within it as a path of configuration keys:
	// "advert_interval", "virtual_addresses[1]", "garp.repeat", "track[0].weight".
	Key     string
	Problem string // what is wrong
	Hint    string // what to do about it; "" where the problem says so already
}

// Field gives the place within the instance.
func (e *FieldError) Field() string { return e.Key }

// Instance gives the name of the instance or sync group.
func (e *FieldError) Instance() string { return e.Name }

// Error says all of it.
func (e *FieldError) Error() string {
	msg := fmt.Sprintf("vrrp: %s: %s: %s", e.Name, e.Key, e.Problem)
	if e.Hint != "" {
		msg += "; " + e.Hint
	}
	return msg
}

// faults collects the errors of one instance or group.
type faults struct {
	name string
	all  []error
}

func (f *faults) add(key, mend, problem string, args ...any) {
	f.all = append(f.all, &FieldError{Name: f.name, Key: key, Problem: fmt.Sprintf(problem, args...), Hint: mend})
}

// in adds an error where n is not in lo..hi.
func (f *faults) in(key string, n, lo, hi int) {
	if n < lo || n > hi {
		f.add(key, fmt.Sprintf("give a number from %d to %d", lo, hi), "%d is out of range", n)
	}
}
