// Package director keeps the kernel's IPVS table as the operator and the health
// of the real servers want it.
//
// It is level-triggered: desired state comes from pools (pure: what a virtual
// server's health, quorum, overrides and drains make of it), the actual one is read
// from the kernel, and Plan (pure) turns the second into the first in an order
// that never empties a pool that can be kept full. Package engine drives both, package
// ipvs speaks netlink.
//
//	for _, op := range director.Plan(want, have) { // ipvs.Table and ipvs.Table
//		fmt.Println(op) // in an order that is safe after each of them
//	}
package director
