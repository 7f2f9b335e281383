// Package host has announced addresses on the loopback interface, and tells how this
// machine's interfaces stand.
//
//	h := host.New()
//	bound, err := h.Hold(want) // level-triggered: what differs is changed
//	down, err := h.Down([]string{"eth1"})
package host
