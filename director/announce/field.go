package announce

import "fmt"

// FieldError is something wrong with one field of the speaker, of a peer or of an announcement.
type FieldError struct {
	Of      string // what it is of: bgp, peer "192.0.2.254", announce "web"
	Key     string // configuration key, such as "hold_time" or "addresses[1]"
	Problem string
	Hint    string // what to write instead; may be empty
}

// Error gives the whole sentence.
func (e *FieldError) Error() string {
	s := fmt.Sprintf("%s: %s: %s", e.Of, e.Key, e.Problem)
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Field is the configuration key that is at fault.
func (e *FieldError) Field() string { return e.Key }
