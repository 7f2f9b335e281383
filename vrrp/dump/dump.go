// Package dump reads lists from the kernel by netlink, which may change while they are
// being read. Every part of the program may import it.
//
//	links, err := dump.Read(netlink.LinkList)
package dump

import (
	"errors"

	"github.com/vishvananda/netlink"
)

// most is how often a list is read that changes while it is being read.
const most = 20

// Read reads a list, again where it changed meanwhile: it may lack what was there all
// along. Where it changes without end, the last reading comes with
// netlink.ErrDumpInterrupted. Any other error of list ends it.
func Read[T any](list func() ([]T, error)) (all []T, err error) {
	for range most {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}

// Latest is Read for somebody who reads again at the next notification of a change:
// what changes without end is taken as it was read last, without an error.
func Latest[T any](list func() ([]T, error)) ([]T, error) {
	all, err := Read(list)
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		err = nil
	}
	return all, err
}
