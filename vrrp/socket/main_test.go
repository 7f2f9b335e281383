package socket

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// inside is set in the test process that runs in a network namespace of its own.
const inside = "USHER_WIRE_TEST_NETNS"

// TestMain runs the tests in a new network namespace, so that they have
// interfaces to themselves and leave nothing behind; without root, in a user
// namespace as well.
func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	args := []string{"-n", "--"}
	if os.Geteuid() != 0 {
		args = []string{"-U", "-r", "-n", "--"}
	}
	cmd := exec.Command("unshare", append(append(args, os.Args[0]), os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code > 0 {
		os.Exit(code)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "unshare:", err)
		os.Exit(1)
	}
}
