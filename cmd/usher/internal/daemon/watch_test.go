package daemon

import (
	"os"
	"path/filepath"
	"testing"
)

// TestWatchedFolder: a folder's files are those that are read: an editor that opens one
// changes nothing, whatever the folder is called.
func TestWatchedFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a[b]")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	look := func() string { return fingerprint([]string{dir}, nil) }
	before := look()
	if err := os.Symlink("somebody@somewhere.1", filepath.Join(dir, ".#lb.hcl")); err != nil {
		t.Fatal(err)
	}
	if look() != before {
		t.Error("an editor's lock was taken for a change")
	}
	if err := os.WriteFile(filepath.Join(dir, "lb.hcl"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if look() == before {
		t.Error("a new file was not seen")
	}
}
