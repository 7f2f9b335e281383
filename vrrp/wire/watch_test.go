package wire

import (
	"errors"
	"testing"

	"github.com/vishvananda/netlink"
)

// TestDump: a list that changes while it is read is read again; without an end to it
// the last reading counts; any other error is one.
func TestDump(t *testing.T) {
	calls := 0
	changing := func(times int, after error) func() ([]int, error) {
		calls = 0
		return func() ([]int, error) {
			if calls++; calls <= times {
				return []int{calls}, netlink.ErrDumpInterrupted
			}
			return []int{calls}, after
		}
	}
	if all, err := dump(changing(3, nil)); err != nil || all[0] != 4 {
		t.Errorf("%v, %v", all, err)
	}
	if all, err := dump(changing(1000, nil)); err != nil || all[0] != maxDumps {
		t.Errorf("%v, %v", all, err)
	}
	denied := errors.New("denied")
	if _, err := dump(changing(1, denied)); !errors.Is(err, denied) {
		t.Errorf("%v", err)
	}
}
