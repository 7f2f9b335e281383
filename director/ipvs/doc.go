// Package ipvs is the kernel's IPVS table as plain comparable values and the
// generic netlink conversation that reads and writes it, many messages to a send.
package ipvs
