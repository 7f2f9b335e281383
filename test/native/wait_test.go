package native

import (
	"fmt"
	"testing"

	"usher/test/lab"
)

// untilOutput runs a program again and again until its output will do.
func untilOutput(t *testing.T, n *lab.Node, what string, ok func(string) bool, args ...string) error {
	t.Helper()
	return lab.Until(t.Context(), what, func() error {
		out, err := n.Output(t.Context(), args...)
		if err == nil && !ok(out) {
			err = fmt.Errorf("output is %q", out)
		}
		return err
	})
}
