// Package vm runs a command in a virtual machine whose kernel has IPVS, for
// machines whose own kernel has not.
//
// The guest sees the host's whole file system, read-only below a tmpfs: every
// program and build product of the host is there, and nothing that the guest
// writes escapes, but for one folder that both share. One boot takes a few
// seconds and can run a whole test binary.
package vm
