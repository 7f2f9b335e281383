package director

import "fmt"

// FieldError is something wrong with one field of a VirtualServer.
type FieldError struct {
	Name    string // of the virtual server
	Key     string // configuration key, such as "quorum" or "real_server[2].weight"
	Problem string
	Hint    string // what to write instead; may be empty
}

// Error gives the whole sentence.
func (e *FieldError) Error() string {
	s := fmt.Sprintf("virtual_server %q: %s: %s", e.Name, e.Key, e.Problem)
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Field is the configuration key that is at fault.
func (e *FieldError) Field() string { return e.Key }

// VirtualServer is the name of the virtual server that is at fault.
func (e *FieldError) VirtualServer() string { return e.Name }

// Text gives problem and mend without the place.
func (e *FieldError) Text() (problem, mend string) { return e.Problem, e.Hint }
