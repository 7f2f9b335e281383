// Package statefile writes the files of a state folder so that they are whole
// whenever the process or the machine stops.
package statefile

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
)

// Write replaces the file at path at once, and returns when the disk has it: a reader
// sees the old or the new content. Nobody else may read it, since it may hold secrets.
func Write(path string, content []byte) error {
	// In the same folder, for Clear to find; renameio would look for another first.
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(0o600))
	if err != nil {
		return err
	}
	defer f.Cleanup()
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}

// Clear removes what a Write of the file at path left beside it when its process was
// killed, as far as it can: it is only in the way. Nobody may write the file meanwhile.
func Clear(path string) {
	folder, name := filepath.Split(path)
	entries, _ := os.ReadDir(filepath.Clean(folder))
	for _, e := range entries {
		if leftover(e.Name(), name) {
			os.Remove(filepath.Join(folder, e.Name()))
		}
	}
}

// leftover tells whether a file is a temporary one of another: .NAME and a number, as
// renameio has it, or NAME, a dot and a number, as usher had it before.
func leftover(temporary, name string) bool {
	for _, prefix := range []string{"." + name, name + "."} {
		if number, ok := strings.CutPrefix(temporary, prefix); ok && number != "" && strings.Trim(number, "0123456789") == "" {
			return true
		}
	}
	return false
}
