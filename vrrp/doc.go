// Package vrrp is the Virtual Router Redundancy Protocol: version 3 of RFC 9568
// and version 2 of RFC 3768, as a pure state machine with everything around it
// that a virtual router needs.
//
// The root package holds what all parts share: the configuration of an instance,
// its states, the events and statistics it reports, and the Machine, which is
// pure (no socket, clock, goroutine or log). Around it stand packet (the codec),
// engine (many instances and their groups, still without input or output), socket
// (raw sockets and the real-time loop), vip (addresses, announcements) and track
// (what raises and lowers priorities).
//
// A machine is a comparable value; each event leads to the next one and says what to do.
// Time comes in with the event:
//
//	m := vrrp.NewMachine(config.Parameters())
//	m, actions := m.Step(vrrp.Input{Kind: vrrp.StepStart, At: now})
//	for _, a := range actions {
//		switch a.Kind {
//		case vrrp.ActArm: // call Step with StepExpired at a.At, if nothing is heard before
//		case vrrp.ActSend: // an advertisement of m.Priority()
//		case vrrp.ActHold: // the addresses
//		}
//	}
package vrrp
