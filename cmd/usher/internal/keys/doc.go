// Package keys has no code of its own: its tests change every key of the configuration,
// on the active director of a pair and on the backup, in virtual time. They measure what
// becomes of adverts, addresses and destinations, and compare it with what a plan said
// before.
package keys
