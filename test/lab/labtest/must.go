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

// File puts a file into a node's folder and returns its path.
func File(t *testing.T, n *lab.Node, name, content string) string {
	t.Helper()
	path, err := n.WriteFile(name, content)
	Must(t, err)
	return path
}

// Start starts `usher run ARGS` on a node and waits until it answers.
func Start(t *testing.T, n *lab.Node, args ...string) *lab.Process {
	t.Helper()
	p, err := n.RunUsher(t.Context(), args...)
	Must(t, err)
	return p
}

// Await waits until an instance of a node is in a state.
func Await(t *testing.T, n *lab.Node, instance, state string) {
	t.Helper()
	Must(t, n.Await(t.Context(), instance, state))
}
