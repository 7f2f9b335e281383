// Package native has the black-box tests of what needs no IPVS: they run the
// program, built with the race detector, between network namespaces of this
// machine, and look at it with other people's tools.
package native
