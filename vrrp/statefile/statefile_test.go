package statefile_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/renameio/v2"

	"usher/vrrp/statefile"
)

func TestWrite(t *testing.T) {
	t.Run("Write", func(t *testing.T) { replaces(t, statefile.Write) })
	t.Run("Replace", func(t *testing.T) { replaces(t, statefile.Replace) })
}

// replaces tests one of the two ways.
func replaces(t *testing.T, write func(string, []byte) error) {
	path := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := write(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil || string(content) != "new" {
		t.Errorf("%q, %v", content, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if got := list(t, filepath.Dir(path)); !slices.Equal(got, []string{"state.json"}) {
		t.Errorf("%v are there", got)
	}
	if err := write(filepath.Join(path, "below a file"), nil); err == nil {
		t.Error("no error where nothing can be written")
	}
	// A folder in the file's place cannot be replaced, and nothing is left beside it.
	taken := filepath.Join(t.TempDir(), "state.json")
	if err := os.MkdirAll(filepath.Join(taken, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := write(taken, []byte("new")); err == nil {
		t.Error("no error where a folder is")
	}
	if got := list(t, filepath.Dir(taken)); !slices.Equal(got, []string{"state.json"}) {
		t.Errorf("%v are there", got)
	}
}

// TestBegin: what is written behind the content is in the file of that name.
func TestBegin(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	f, err := statefile.Begin(path, []byte("first\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("second\n"); err != nil {
		t.Error(err)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "first\nsecond\n" {
		t.Errorf("%q, %v", content, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// TestClear: what a killed Write left goes, and nothing else.
func TestClear(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "state.json")
	keep := []string{".other.json12", ".state.json", ".state.json.swp", "other.json.12", "state.json", "state.json.", "state.json.12.bak", "state.json.bak"}
	for _, name := range append([]string{"state.json.1234"}, keep...) {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // a write that never came to its end
		f, err := renameio.NewPendingFile(path, renameio.WithTempDir(folder))
		if err != nil {
			t.Fatal(err)
		}
		f.File.Close()
	}
	if got := len(list(t, folder)); got != len(keep)+3 {
		t.Fatalf("%d files", got)
	}
	statefile.Clear(path)
	if got := list(t, folder); !slices.Equal(got, keep) {
		t.Errorf("%v are left, want %v", got, keep)
	}
	statefile.Clear(filepath.Join(folder, "none", "state.json"))
}

func list(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
