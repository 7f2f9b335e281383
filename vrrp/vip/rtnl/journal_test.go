package rtnl

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRecoverFromNoFile: what somebody put in the place of the file, which would wait for
// its writer, is told of once and removed.
func TestRecoverFromNoFile(t *testing.T) {
	path := JournalFile(t.TempDir())
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Recover(path); err == nil || !strings.Contains(err.Error(), "it is a named pipe, not a regular file") {
		t.Errorf("%v", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it stays: %v", err)
	}
}
