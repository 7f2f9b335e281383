package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Kernel is a kernel that was unpacked, not installed.
type Kernel struct {
	Release string // as in uname -r
	Image   string // the bzImage
	Root    string // has lib/modules/RELEASE
}

// Modules is the folder of the kernel's modules.
func (k Kernel) Modules() string { return filepath.Join(k.Root, "lib/modules", k.Release) }

// Tools are the programs that unpack the kernel's modules: Debian 12 leaves them as
// they are, later ones have .xz, Ubuntu has .zst since 24.04.
func (k Kernel) Tools() []Tool {
	found, err := filepath.Glob(filepath.Join(k.Modules(), "kernel/net/netfilter/ipvs/ip_vs.ko*"))
	if err != nil || len(found) == 0 {
		return nil
	}
	switch filepath.Ext(found[0]) {
	case ".xz":
		return []Tool{{"xz", "xz-utils"}}
	case ".zst":
		return []Tool{{"zstd", "zstd"}}
	}
	return nil
}

// FetchKernel unpacks the distribution's kernel into dir, which it makes; once
// that is done it needs no network. Two processes may call it at once for the
// same dir.
func FetchKernel(ctx context.Context, w io.Writer, dir string) (Kernel, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Kernel{}, err
	}
	unlock, err := Lock(filepath.Join(dir, "lock"))
	if err != nil {
		return Kernel{}, err
	}
	defer unlock()
	root := filepath.Join(dir, "kernel")
	if k, err := open(root); err == nil {
		return k, nil
	}
	for _, d := range []string{root, root + ".new"} {
		if err := os.RemoveAll(d); err != nil {
			return Kernel{}, err
		}
	}
	debs, err := download(ctx, w, filepath.Join(dir, "deb"))
	if err != nil {
		return Kernel{}, fmt.Errorf("get a kernel with IPVS for the virtual machine: %w", err)
	}
	for _, deb := range debs {
		if out, err := exec.CommandContext(ctx, "dpkg", "-x", deb, root+".new").CombinedOutput(); err != nil {
			return Kernel{}, fmt.Errorf("unpack %s: %w\n%s", deb, err, out)
		}
	}
	k, err := open(root + ".new")
	if err != nil {
		return Kernel{}, err
	}
	depmod, ok := Look("depmod")
	if !ok {
		return Kernel{}, errors.New("depmod is missing: install kmod")
	}
	if out, err := exec.CommandContext(ctx, depmod, "-b", k.Root, k.Release).CombinedOutput(); err != nil {
		return Kernel{}, fmt.Errorf("depmod: %w\n%s", err, out)
	}
	// The rename comes last, so that a half unpacked kernel is never taken for a whole one.
	if err := os.Rename(root+".new", root); err != nil {
		return Kernel{}, err
	}
	return open(root)
}

// open finds the one kernel below root.
func open(root string) (Kernel, error) {
	images, err := filepath.Glob(filepath.Join(root, "boot/vmlinuz-*"))
	if err != nil {
		return Kernel{}, err
	}
	if len(images) != 1 {
		return Kernel{}, fmt.Errorf("%s: %d kernels, want 1", root, len(images))
	}
	release := strings.TrimPrefix(filepath.Base(images[0]), "vmlinuz-")
	k := Kernel{Release: release, Image: images[0], Root: root}
	// Distributions that merged /usr may have the modules below usr/lib alone.
	if _, err := os.Stat(k.Modules()); err != nil {
		k.Root = filepath.Join(root, "usr")
	}
	if _, err := os.Stat(k.Modules()); err != nil {
		return Kernel{}, fmt.Errorf("%s has no modules: %w", images[0], err)
	}
	return k, nil
}

// download fetches the kernel's packages into dir and returns their files.
func download(ctx context.Context, w io.Writer, dir string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	names, err := kernelPackages(ctx)
	if err != nil {
		return nil, err
	}
	var missing []string
	files := func() (all []string) {
		missing = nil
		for _, n := range names {
			m, _ := filepath.Glob(filepath.Join(dir, n+"_*.deb"))
			if len(m) == 0 {
				missing = append(missing, n)
			}
			all = append(all, m...)
		}
		return all
	}
	if debs := files(); len(missing) == 0 {
		return debs, nil
	}
	fmt.Fprintf(w, "downloading, not installing: %s\n", strings.Join(missing, " "))
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"download", "--quiet=2"}, missing...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("apt-get download: %w\n%s", err, out)
	}
	debs := files()
	if len(missing) != 0 {
		return nil, fmt.Errorf("apt-get download left out %s", strings.Join(missing, " "))
	}
	return debs, nil
}

// Lock waits for an exclusive lock on a file, which it makes.
func Lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
}
