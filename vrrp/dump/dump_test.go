package dump

import (
	"errors"
	"testing"

	"github.com/vishvananda/netlink"
)

// TestRead: a list that changes while it is read is read again; without an end to it
// the last reading counts, with the error or without; any other error is one.
func TestRead(t *testing.T) {
	denied := errors.New("denied")
	for name, c := range map[string]struct {
		changes       int
		after         error
		calls         int
		want, latests error
	}{
		"still":            {0, nil, 1, nil, nil},
		"changes":          {3, nil, 4, nil, nil},
		"changes for ever": {1000, nil, most, netlink.ErrDumpInterrupted, nil},
		"fails":            {1, denied, 2, denied, denied},
	} {
		for _, read := range []struct {
			list func(func() ([]int, error)) ([]int, error)
			want error
		}{{Read[int], c.want}, {Latest[int], c.latests}} {
			calls := 0
			all, err := read.list(func() ([]int, error) {
				if calls++; calls <= c.changes {
					return []int{calls}, netlink.ErrDumpInterrupted
				}
				return []int{calls}, c.after
			})
			if !errors.Is(err, read.want) || len(all) != 1 || all[0] != c.calls {
				t.Errorf("%s: %v, %v; want the reading %d, %v", name, all, err, c.calls, read.want)
			}
		}
	}
}
