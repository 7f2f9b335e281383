package debian

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// metas are the packages that depend on the newest kernel, in Debian and Ubuntu.
var metas = []string{"linux-image-amd64", "linux-image-generic"}

// Supported says whether the virtual machine runs on a processor of that name, as in
// GOARCH: the kernels and the QEMU that are known here are those of amd64.
func Supported(arch string) error {
	if arch != "amd64" {
		return fmt.Errorf("the virtual machine of the labs needs an amd64 machine, and this one is %s; where its own kernel has IPVS none is needed", arch)
	}
	return nil
}

// kernelPackages follows a meta package to the packages with the kernel's files.
// It updates the package lists once where they know no kernel.
func kernelPackages(ctx context.Context) ([]string, error) {
	names := follow(ctx)
	if len(names) == 0 {
		if out, err := apt(ctx, "update", "--quiet=2"); err != nil {
			return nil, fmt.Errorf("apt-get update: %w\n%s", err, out)
		}
		names = follow(ctx)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no package named %s: only Debian and Ubuntu are known", strings.Join(metas, " or "))
	}
	return names, nil
}

func follow(ctx context.Context) []string {
	for _, meta := range metas {
		out, err := exec.CommandContext(ctx, "apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests",
			"--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances", meta).Output()
		if err != nil {
			continue
		}
		if names := kernelOf(string(out)); len(names) > 0 {
			return names
		}
	}
	return nil
}

// kernelOf picks out of `apt-cache depends --recurse` the packages with the files of
// the first kernel that it names. Each package that is reached stands on a line of
// its own, not indented.
func kernelOf(depends string) []string {
	known := make(map[string]bool)
	release := ""
	for line := range strings.Lines(depends) {
		name := strings.TrimRight(line, "\n")
		known[name] = true
		// A release begins with its number: linux-image-unsigned- is another's twin.
		rest, ok := strings.CutPrefix(name, "linux-image-")
		if ok && release == "" && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			release = rest
		}
	}
	if release == "" {
		return nil
	}
	var names []string
	for _, prefix := range []string{"linux-image-", "linux-modules-", "linux-modules-extra-"} {
		if known[prefix+release] {
			names = append(names, prefix+release)
		}
	}
	return names
}
