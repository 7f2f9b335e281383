// Package filter drops, and counts, packets that come for announced addresses and that IPVS
// does not claim, in an nftables table of usher's own. A director whose table lacks a service
// would else answer them with its own TCP, by a reset of what another director serves.
//
//	f := filter.New()
//	err := f.Keep(addresses) // level-triggered
//	packets, err := f.Unclaimed()
package filter
