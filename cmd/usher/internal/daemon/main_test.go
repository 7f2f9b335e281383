package daemon_test

import (
	"os"
	"testing"

	programs "usher/cmd/usher/internal/command"
)

// TestMain makes the test binary what starts commands, where a test has some.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == programs.Word {
		os.Exit(programs.Launcher(os.Args[2:], os.Stderr))
	}
	os.Exit(m.Run())
}
