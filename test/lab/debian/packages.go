package debian

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Tool is a program and the package that has it.
type Tool struct {
	Program string // looked up in PATH and in the sbin folders, or a pattern of full paths
	Package string
}

// lab is what the labs run.
var lab = []Tool{
	{"bird", "bird2"},
	{"busybox", "busybox-static"},
	{"conntrack", "conntrack"},
	{"curl", "curl"},
	{"depmod", "kmod"},
	{"ip", "iproute2"},
	{"ipvsadm", "ipvsadm"},
	{"keepalived", "keepalived"},
	{"nft", "nftables"},
	{"nginx", "nginx-light"},
	{"ping", "iputils-ping"},
	{"tcpdump", "tcpdump"},
	{"tshark", "tshark"},
}

// virtual is what the virtual machine runs on.
var virtual = []Tool{
	{"qemu-system-x86_64", "qemu-system-x86"},
}

// suite is what the whole test suite uses in addition: the race detector's C
// compiler, and other people's clients that look at what usher offers. What the
// browser needs, package chromium knows.
var suite = []Tool{
	{"aiosmtpd", "python3-aiosmtpd"},
	{"crun", "crun"},
	{"dpkg-deb", "dpkg"},
	{"fc-list", "fontconfig"},
	{"gcc", "gcc"},
	{"/usr/include/stdlib.h", "libc6-dev"},
	{"jq", "jq"},
	{"man", "man-db"},
	{"mariadbd", "mariadb-server"},
	{"openssl", "openssl"},
	{"/usr/lib/postgresql/*/bin/initdb", "postgresql"},
	{"promtool", "prometheus"},
	{"redis-server", "redis-server"},
	{"rpm", "rpm"},
	{"setpriv", "util-linux"},
	{"smtpd", "opensmtpd"},
	{"systemd-analyze", "systemd"},
	{"unbound", "unbound"},
	{"/usr/lib/frr/vrrpd", "frr"},
}

// Suite returns the programs that the tests use in addition to Lab.
func Suite() []Tool { return slices.Clone(suite) }

// Lab returns the programs that every lab uses.
func Lab() []Tool { return slices.Clone(lab) }

// Virtual returns the programs that a lab uses in addition where this machine's
// own kernel has no IPVS.
func Virtual() []Tool { return slices.Clone(virtual) }

// Ensure installs the packages of those tools that are not there, and says on w
// what it installs. With every tool there it does nothing and needs no network.
// Services that come with a package are kept from starting, and a package that
// would push out another is an error.
func Ensure(ctx context.Context, w io.Writer, tools []Tool) error {
	var missing []string
	for _, t := range tools {
		if _, ok := Look(t.Program); !ok {
			missing = append(missing, t.Package)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	names := slices.Compact(missing)
	fmt.Fprintf(w, "installing Debian packages (apt-get install --no-install-recommends): %s\n", strings.Join(names, " "))
	if os.Geteuid() != 0 {
		return fmt.Errorf("install %s: not root; install these packages or run as root", strings.Join(names, " "))
	}
	release, err := holdServices()
	if err != nil {
		return err
	}
	defer release()
	install := []string{"install", "--yes", "--quiet=2", "--no-install-recommends", "--no-remove"}
	if out, err := apt(ctx, append(install, names...)...); err != nil {
		// A machine that was never updated, or long ago, knows no such package.
		if out2, err2 := apt(ctx, "update", "--quiet=2"); err2 != nil {
			return fmt.Errorf("apt-get install: %w\n%s\napt-get update: %w\n%s", err, out, err2, out2)
		}
		if out, err = apt(ctx, append(install, names...)...); err != nil {
			return fmt.Errorf("apt-get install %s: %w\n%s", strings.Join(names, " "), err, out)
		}
	}
	for _, t := range tools {
		if _, ok := Look(t.Program); !ok {
			return fmt.Errorf("package %s is installed, but has no program %s", t.Package, t.Program)
		}
	}
	return nil
}

// Has says whether the distribution has a package. Where the machine was never
// updated, and its lists are empty, it updates them.
func Has(ctx context.Context, name string) (bool, error) {
	if offered(ctx, name) {
		return true, nil
	}
	// Every distribution has this one.
	if !offered(ctx, "base-files") {
		if out, err := apt(ctx, "update", "--quiet=2"); err != nil {
			return false, fmt.Errorf("apt-get update: %w\n%s", err, out)
		}
	}
	return offered(ctx, name), nil
}

// offered says whether apt's lists, without a look at what is installed, have a package.
func offered(ctx context.Context, name string) bool {
	out, err := exec.CommandContext(ctx, "apt-cache", "madison", name).Output()
	return err == nil && len(out) > 0
}

// Look finds a program as a root shell would: users' PATH often lacks sbin.
func Look(program string) (string, bool) {
	if filepath.IsAbs(program) {
		found, err := filepath.Glob(program)
		if err != nil || len(found) == 0 {
			return "", false
		}
		return found[0], true
	}
	if p, err := exec.LookPath(program); err == nil {
		return p, true
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if p, err := exec.LookPath(dir + "/" + program); err == nil {
			return p, true
		}
	}
	return "", false
}

func apt(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// policy is Debian's hook that says whether a package may start its service
// (exit status 101: it may not). nginx and keepalived would start one.
const policy = "/usr/sbin/policy-rc.d"

// holdServices keeps packages from starting services until release is called.
// A policy that the machine already has is left to decide.
func holdServices() (release func(), err error) {
	f, err := os.OpenFile(policy, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if os.IsExist(err) {
		return func() {}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("keep packages from starting services: %w", err)
	}
	_, werr := f.WriteString("#!/bin/sh\nexit 101\n")
	if err := f.Close(); werr == nil {
		werr = err
	}
	if werr != nil {
		os.Remove(policy)
		return nil, fmt.Errorf("keep packages from starting services: %w", werr)
	}
	return func() { os.Remove(policy) }, nil
}
