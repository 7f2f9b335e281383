package vm

import (
	"bufio"
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"usher/test/lab/debian"
)

//go:embed init.sh
var initScript []byte

// early are the modules that the guest needs before it sees the host's files.
var early = []string{"virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_console", "virtio_rng"}

// initramfs makes the guest's first root: busybox, the script and the early modules.
func initramfs(k debian.Kernel) ([]byte, error) {
	busybox, ok := debian.Look("busybox")
	if !ok {
		return nil, fmt.Errorf("busybox is missing: install busybox-static")
	}
	program, err := os.ReadFile(busybox)
	if err != nil {
		return nil, err
	}
	order, err := loadOrder(k, early)
	if err != nil {
		return nil, err
	}
	var a archive
	for _, dir := range []string{"bin", "dev", "modules"} {
		a.add(dir, 0o040755, nil)
	}
	a.add("bin/busybox", 0o100755, program)
	a.add("init", 0o100755, initScript)
	var names []string
	for _, m := range order {
		b, err := module(filepath.Join(k.Modules(), m))
		if err != nil {
			return nil, err
		}
		name := path.Base(m)
		name = name[:strings.Index(name, ".ko")] + ".ko"
		names = append(names, name)
		a.add("modules/"+name, 0o100644, b)
	}
	a.add("modules/order", 0o100644, []byte(strings.Join(names, "\n")+"\n"))
	return a.bytes(), nil
}

// module reads a module, which newer kernels keep compressed.
func module(file string) ([]byte, error) {
	for suffix, tool := range map[string]string{".xz": "xz", ".zst": "zstd", ".gz": "gzip"} {
		if strings.HasSuffix(file, suffix) {
			out, err := exec.Command(tool, "-dc", file).Output()
			if err != nil {
				return nil, fmt.Errorf("%s -dc %s: %w", tool, file, err)
			}
			return out, nil
		}
	}
	return os.ReadFile(file)
}

// loadOrder lists the files of the modules and all that they depend on, each after
// its own dependencies. A module that is built into the kernel is left out.
func loadOrder(k debian.Kernel, want []string) ([]string, error) {
	dep, err := os.ReadFile(filepath.Join(k.Modules(), "modules.dep"))
	if err != nil {
		return nil, err
	}
	builtin, err := os.ReadFile(filepath.Join(k.Modules(), "modules.builtin"))
	if err != nil {
		return nil, err
	}
	files := make(map[string][]string) // module name: its file, then what it depends on
	for s := bufio.NewScanner(bytes.NewReader(dep)); s.Scan(); {
		file, deps, _ := strings.Cut(s.Text(), ":")
		files[moduleName(file)] = append([]string{file}, strings.Fields(deps)...)
	}
	inKernel := make(map[string]bool)
	for s := bufio.NewScanner(bytes.NewReader(builtin)); s.Scan(); {
		inKernel[moduleName(s.Text())] = true
	}
	var order []string
	for _, name := range want {
		chain, ok := files[name]
		if !ok && !inKernel[name] {
			return nil, fmt.Errorf("kernel %s has no module %s", k.Release, name)
		}
		// modules.dep lists the farthest dependency last.
		for _, f := range slices.Backward(chain) {
			if !slices.Contains(order, f) {
				order = append(order, f)
			}
		}
	}
	return order, nil
}

func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// archive is a cpio archive of the form that the kernel unpacks ("newc", see
// Documentation/driver-api/early-userspace/buffer-format.rst in the kernel).
type archive struct {
	buf   bytes.Buffer
	inode int
}

func (a *archive) add(name string, mode int, content []byte) {
	a.inode++
	fmt.Fprintf(&a.buf, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		a.inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	a.buf.WriteString(name)
	a.buf.WriteByte(0)
	a.pad()
	a.buf.Write(content)
	a.pad()
}

func (a *archive) pad() {
	for a.buf.Len()%4 != 0 {
		a.buf.WriteByte(0)
	}
}

func (a *archive) bytes() []byte {
	a.add("TRAILER!!!", 0, nil)
	return a.buf.Bytes()
}
