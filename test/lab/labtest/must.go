package labtest

import (
	"testing"

	"usher/test/lab"
)

// Must ends the test where there is an error.
func Must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Run runs a program inside a node, which must do well, and returns its output.
func Run(t *testing.T, n *lab.Node, args ...string) string {
	t.Helper()
	out, err := n.Output(t.Context(), args...)
	Must(t, err)
	return out
}
