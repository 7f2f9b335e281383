package lab

import (
	"errors"
	"os"
	"path/filepath"
)

// Root finds the checkout that the working directory is in.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod here or above: run this inside the checkout")
		}
	}
}

// Cache is where downloads are kept; git ignores it.
func Cache(root string) string { return filepath.Join(root, ".cache/vm") }

// Folder makes a new folder of results in the checkout, which git ignores.
func Folder(root, name string) (string, error) {
	base := filepath.Join(root, "artifacts")
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", err
	}
	return os.MkdirTemp(base, name+"-*")
}
