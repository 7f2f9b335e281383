package statefile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"usher/vrrp/statefile"
)

// TestRead: what Write wrote is read; what it cannot have written is said to be that,
// without waiting for a writer of a named pipe and without reading on for ever.
func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	if _, err := statefile.Read(path, 10); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, statefile.ErrForeign) {
		t.Errorf("of nothing: %v", err)
	}
	if err := statefile.Write(path, []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	if got, err := statefile.Read(path, 10); string(got) != "0123456789" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for want, make := range map[string]func() error{
		"it has more than 10 bytes":              func() error { return statefile.Write(path, []byte("0123456789a")) },
		"it is a named pipe, not a regular file": func() error { return unix.Mkfifo(path, 0o600) },
		"it is a folder, not a regular file":     func() error { return os.Mkdir(path, 0o700) },
		"it is a device, not a regular file":     func() error { return os.Symlink("/dev/zero", path) },
	} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := make(); err != nil {
			t.Fatal(err)
		}
		if _, err := statefile.Read(path, 10); !errors.Is(err, statefile.ErrForeign) || !strings.Contains(err.Error(), path+": "+want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
