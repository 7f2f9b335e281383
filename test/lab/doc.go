// Package lab builds the networks that the black-box tests and the demo run in:
// a client, two directors and three real servers as network namespaces on this
// machine, or in a virtual machine where the kernel has no IPVS.
package lab
