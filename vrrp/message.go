package vrrp

import "fmt"

// Subject is what an event is about: an instance, or a whole sync group.
func (e Event) Subject() string {
	if e.Instance == "" {
		return e.Group
	}
	return e.Instance
}

// Message is the event in one line for people, without its time.
func (e Event) Message() string {
	if e.Kind == EventState {
		return fmt.Sprintf("%s: %s, was %s: %s", e.Subject(), e.To, e.From, e.Reason)
	}
	return fmt.Sprintf("%s: %s", e.Subject(), e.Reason)
}
