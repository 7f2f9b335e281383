// Package vrrp is the Virtual Router Redundancy Protocol: version 3 of RFC 9568
// and version 2 of RFC 3768, as a pure state machine with everything around it
// that a virtual router needs.
//
// The root package holds what all parts share: the configuration of an instance,
// its states, the events and statistics it reports, and the Machine, which is
// pure (no socket, clock, goroutine or log). Around it stand packet (the codec),
// engine (many instances and their groups, still without input or output), wire
// (raw sockets and the real-time loop), hold (addresses, announcements) and track
// (what raises and lowers priorities).
package vrrp
