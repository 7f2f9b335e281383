// Package ipvs has the kernel's IPVS table, its operations and counters as plain values: they
// compare with ==, touch nothing, and are what the director plans with, its engine carries
// and package genl says to the kernel.
//
//	key := ipvs.AddressKey(ipvs.TCP, netip.MustParseAddrPort("192.0.2.1:80"))
//	table := ipvs.Table{key: {Service: ipvs.Service{Scheduler: "rr", Netmask: key.Bits()}}}
package ipvs
