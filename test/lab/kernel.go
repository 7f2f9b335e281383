package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/vishvananda/netlink"

	"usher/test/lab/debian"
	"usher/test/lab/vm"
)

// HasIPVS says whether this kernel offers IPVS. Asking makes the kernel load the
// module where it has one.
func HasIPVS() bool {
	if _, err := netlink.GenlFamilyGet("IPVS"); err != nil {
		return false
	}
	_, err := os.Stat("/proc/net/ip_vs")
	return err == nil
}

// Environment variables of the lab.
const (
	envPlace  = "USHER_LAB"        // native or vm forces the place
	envUsher  = "USHER_LAB_BINARY" // the program under test, where it is built already
	envShared = "USHER_LAB_SHARED" // set inside the virtual machine: the folder that the host sees
)

// Place is where a lab that needs IPVS runs.
type Place int

// The places.
const (
	Native Place = iota // on this machine
	Guest               // in the virtual machine, which must be booted
	Inside              // this is the virtual machine
)

// Decide says where a lab with IPVS runs, and why, for people. An error means that
// it can run nowhere.
func Decide() (Place, string, error) {
	if os.Getenv(envShared) != "" {
		return Inside, "inside the virtual machine", nil
	}
	switch v := os.Getenv(envPlace); v {
	case "native":
		return Native, "natively, as " + envPlace + "=native says", nil
	case "vm":
		return Guest, "in a virtual machine, as " + envPlace + "=vm says", debian.Supported(runtime.GOARCH)
	case "":
	default:
		return 0, "", fmt.Errorf("%s=%s: must be native or vm", envPlace, v)
	}
	if HasIPVS() {
		return Native, "natively: this kernel has IPVS", nil
	}
	return Guest, "in a virtual machine: this kernel has no IPVS", debian.Supported(runtime.GOARCH)
}

// Shared is the folder that survives: in the virtual machine the one that the
// host sees, else the checkout's own for results.
func Shared(root string) string {
	if s := os.Getenv(envShared); s != "" {
		return s
	}
	return filepath.Join(root, "artifacts")
}

// bootMemory is room for several labs side by side, in MB; the host gives it as it
// is used.
const bootMemory = 3072

// Boot runs this very program again, with the same arguments, inside the virtual
// machine, and returns its exit status.
func Boot(ctx context.Context, root, usher string, limit time.Duration, out, log io.Writer) (int, error) {
	shared, err := Folder(root, "vm")
	if err != nil {
		return 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	status, err := vm.Run(ctx, vm.Options{
		Cache: Cache(root), Shared: shared, Command: append([]string{self}, os.Args[1:]...), Dir: dir,
		Env:   []string{envShared + "=" + shared, envUsher + "=" + usher},
		Limit: limit, Memory: bootMemory, Output: out, Log: log,
	})
	if err != nil {
		return 0, errors.Join(err, fmt.Errorf("what the machine left is in %s", shared))
	}
	if err := bringHome(root, shared); err != nil {
		return 0, err
	}
	if vm.Tidy(shared) {
		fmt.Fprintf(log, "what the machine left is in %s\n", shared)
	}
	return status, nil
}

// Build makes the program under test and returns its path. With race it has the
// race detector, which is too slow for an emulated machine.
func Build(ctx context.Context, root string, race bool) (string, error) {
	if path := os.Getenv(envUsher); path != "" {
		return path, nil
	}
	return build(ctx, root, "usher", "./cmd/usher", race)
}

// BuildWithoutIPVS is Build for the program with an IPVS in memory in the place of the
// kernel's.
func BuildWithoutIPVS(ctx context.Context, root string, race bool) (string, error) {
	return build(ctx, root, "usher-without-ipvs", "./cmd/usher/internal/withoutipvs", race)
}

func build(ctx context.Context, root, name, program string, race bool) (string, error) {
	path := filepath.Join(root, "build/lab", name)
	args, env := []string{"build"}, []string{"CGO_ENABLED=0"}
	if race {
		path += "-race"
		args, env = append(args, "-race"), []string{"CGO_ENABLED=1"}
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "-o", path, program)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go %v: %w\n%s", args, err, out)
	}
	return path, nil
}

// Ready installs the programs that labs use, and says on log what it installs.
func Ready(ctx context.Context, log io.Writer) error {
	return debian.Ensure(ctx, log, debian.Lab())
}
