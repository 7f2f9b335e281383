package lab

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
)

// PackageFile is where Package puts the Debian package of a version.
func PackageFile(root, version string) string {
	return filepath.Join(root, "build/lab", fmt.Sprintf("usher_%s_%s.deb", version, runtime.GOARCH))
}

// Package builds usher's Debian package with a version of one's choice.
func Package(ctx context.Context, root, version string) error {
	cmd := exec.CommandContext(ctx, "go", "run", "./cmd/usher/packaging/build",
		"-version", version, "-formats", "deb", "-out", filepath.Dir(PackageFile(root, version)))
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the package of %s: %w\n%s", version, err, out)
	}
	return nil
}
