// Package debian gets from the Debian archive what the lab lacks: it installs the
// programs that tests run, and it downloads, without installing, the kernel that
// the virtual machine boots.
package debian
