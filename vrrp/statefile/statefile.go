// Package statefile replaces the files of a state folder at once: a reader sees the old or
// the new content, whenever the process stops, and nobody else may read what may hold
// secrets. What somebody has put in the place of such a file does not hang who reads it.
// Every part of the program may import it.
//
//	err := statefile.Write("/var/lib/usher/state.json", content) // outlives the machine's crash
//	err = statefile.Replace("/var/lib/usher/journal", content)   // void after it: no wait for the disk
//	content, err = statefile.Read("/var/lib/usher/state.json", 1<<20)
package statefile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
)

// Write replaces the file at path at once, and returns when the disk has it.
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

// Replace is Write that does not wait for the disk: for what means nothing after a crash of
// the machine, and is written where time counts.
func Replace(path string, content []byte) error {
	f, err := Begin(path, content)
	if err != nil {
		return err
	}
	return f.Close()
}

// Begin is Replace that leaves the file open, for more to be written behind content.
func Begin(path string, content []byte) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)) // mode 0600
	if err != nil {
		return nil, err
	}
	if _, err = f.Write(content); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return f, nil
}

// Clear removes what a Write or Replace of the file at path left beside it when its process
// was killed, as far as it can: it is only in the way. Nobody may write the file meanwhile.
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
// renameio and os.CreateTemp have it, or NAME, a dot and a number, as usher had it before.
func leftover(temporary, name string) bool {
	for _, prefix := range []string{"." + name, name + "."} {
		if number, ok := strings.CutPrefix(temporary, prefix); ok && number != "" && strings.Trim(number, "0123456789") == "" {
			return true
		}
	}
	return false
}
