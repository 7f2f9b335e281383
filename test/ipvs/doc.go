// Package ipvs has the black-box tests of directors with an IPVS kernel. They run
// on this machine where its kernel has IPVS, else all together in one boot of the
// virtual machine; USHER_LAB=native or vm forces either.
package ipvs
