package realserver

import (
	"errors"
	"testing"

	"github.com/vishvananda/netlink"
)

// TestDump: a list that changes while it is being read is read again, until it holds
// still; another error, and change without end, are told.
func TestDump(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		answers []error
		want    error
		calls   int
	}{
		"still":            {[]error{nil}, nil, 1},
		"changes twice":    {[]error{netlink.ErrDumpInterrupted, netlink.ErrDumpInterrupted, nil}, nil, 3},
		"fails":            {[]error{broken, nil}, broken, 1},
		"changes for ever": {nil, netlink.ErrDumpInterrupted, maxDumps},
	} {
		calls := 0
		got, err := dump(func() ([]int, error) {
			calls++
			if calls <= len(c.answers) {
				return []int{calls}, c.answers[calls-1]
			}
			return []int{calls}, netlink.ErrDumpInterrupted
		})
		if !errors.Is(err, c.want) || calls != c.calls || len(got) != 1 || got[0] != c.calls {
			t.Errorf("%s: %v, %v after %d reads, want %v after %d", name, got, err, calls, c.want, c.calls)
		}
	}
}
