package realserver

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestStateThatIsNoFile: what somebody put in the place of the file, which would wait for
// its writer, is an error that names it.
func TestStateThatIsNoFile(t *testing.T) {
	state := t.TempDir()
	if err := unix.Mkfifo(file(state), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Undo(state); err == nil || !strings.Contains(err.Error(), file(state)+": it is a named pipe, not a regular file") {
		t.Errorf("%v", err)
	}
}
