package lab

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

//go:embed systemd.sh
var systemdScript string

// bootLimit is far more than systemd takes to boot, 3 s natively, even where a machine
// is emulated on a busy one.
const bootLimit = 4 * time.Minute

// Systemd is a node that systemd has booted: the first process of a process tree of
// its own, on a copy of this machine's root file system that nothing is written
// back from. The node's network is its network, and its /run is the node's, where
// Status and the like find usher's socket.
type Systemd struct {
	*Node
	init *Process
}

// Systemd boots the node as far as basic.target and returns when it is there. Of the
// units that this machine has enabled none is started.
func (n *Node) Systemd(ctx context.Context) (*Systemd, error) {
	for _, d := range []string{"run", "root"} {
		if err := os.MkdirAll(filepath.Join(n.Dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	cmd := command(context.Background(), []string{"bash", "-c", systemdScript, n.Dir})
	cmd.Dir = n.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Unshareflags: syscall.CLONE_NEWNS, // also makes the mounts private
	}
	p, err := n.startProcess("systemd", cmd)
	if err != nil {
		return nil, err
	}
	s := &Systemd{Node: n, init: p}
	return s, within(ctx, bootLimit, "systemd of "+n.Name+" is up", func() error {
		select {
		case <-p.Done():
			return fmt.Errorf("it ended:\n%s", p.Tail(20))
		default:
		}
		out, err := s.Run(ctx, "systemctl", "is-active", "basic.target")
		if err != nil {
			return err
		}
		if strings.TrimSpace(out) != "active" {
			return fmt.Errorf("basic.target is %s", out)
		}
		return nil
	})
}

// Path is where this process finds a file of the machine.
func (s *Systemd) Path(file string) string {
	return filepath.Join("/proc", strconv.Itoa(s.init.PID()), "root", file)
}

// Run runs a program on the machine, as an administrator would, and returns what it
// wrote on its standard output.
func (s *Systemd) Run(ctx context.Context, args ...string) (string, error) {
	return s.Output(ctx, append([]string{"nsenter", "--target", strconv.Itoa(s.init.PID()),
		"--mount", "--pid", "--ipc", "--uts", "--cgroup", "--root", "--wd=/", "--",
		"env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "SYSTEMD_PAGER=cat"}, args...)...)
}

// Install installs the Debian package of a version, or upgrades to it. Other
// packages' triggers, and care for a power cut, would only take time.
func (s *Systemd) Install(ctx context.Context, root, version string) error {
	// A checkout below /tmp is not to be seen on the machine.
	file := "/root/" + filepath.Base(PackageFile(root, version))
	if err := copyFile(s.Path(file), PackageFile(root, version)); err != nil {
		return err
	}
	_, err := s.Run(ctx, "dpkg", "--install", "--no-triggers", "--force-unsafe-io", file)
	return err
}
