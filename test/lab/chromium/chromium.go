// Package chromium finds the browser of the tests: the distribution's package or,
// where that is only a snap, which runs neither in a container nor in the virtual
// machine, one that is fetched into the checkout.
package chromium

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"usher/test/lab/debian"
)

// packaged is the distribution's package. No snap puts its program there.
var packaged = debian.Tool{Program: "/usr/bin/chromium", Package: "chromium"}

// libraries are those that the fetched program needs beside the C library.
var libraries = []debian.Tool{
	{Program: "/usr/lib/*/libexpat.so.1", Package: "libexpat1"},
	{Program: "/usr/lib/*/libnss3.so", Package: "libnss3"},
}

// Find returns the program: the distribution's, else the one that was fetched into
// the checkout at root.
func Find(root string) (string, error) {
	for _, path := range []string{packaged.Program, fetched(root)} {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no Chromium: `make setup` gets one")
}

// Tools returns what the machine must have installed before Fetch is called.
func Tools(ctx context.Context, root string) ([]debian.Tool, error) {
	switch path, err := Find(root); {
	case err == nil && path == packaged.Program:
		return nil, nil
	case err == nil:
		return libraries, nil
	}
	has, err := debian.Has(ctx, packaged.Package)
	if err != nil {
		return nil, err
	}
	if has {
		return []debian.Tool{packaged}, nil
	}
	return append(libraries, debian.Tool{Program: "npm", Package: "npm"}), nil
}

// fetched is the place of the program that Fetch gets.
func fetched(root string) string {
	return filepath.Join(root, ".cache/chromium/chromium-"+version)
}
