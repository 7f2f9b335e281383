package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// empty ends what still runs in some namespaces: only a child that left its
// parent's process group can.
func empty(inodes map[uint64]bool) error {
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	for _, dir := range all {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == os.Getpid() {
			continue
		}
		var st unix.Stat_t
		// A process that ended meanwhile, or a zombie, has no namespace.
		if unix.Stat(dir+"/ns/net", &st) == nil && inodes[st.Ino] {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("end process %d, left in the lab: %w", pid, err)
			}
			bury([]int{pid})
		}
	}
	return nil
}

// forget removes the name of a namespace, which ends with its last process.
func forget(netns string) error {
	path := netnsPath(netns)
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove network namespace %s: %w", netns, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// sweep removes labs whose process was killed and could not clean up.
func sweep() error {
	entries, err := os.ReadDir(netnsDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), "lab-")
		if !ok {
			continue
		}
		owner, _, _ := strings.Cut(rest, "-")
		pid, err := strconv.Atoi(owner)
		if err != nil || syscall.Kill(pid, 0) == nil {
			continue
		}
		var st unix.Stat_t
		if err := unix.Stat(netnsPath(e.Name()), &st); err != nil {
			continue // another sweep was quicker
		}
		if err := errors.Join(empty(map[uint64]bool{st.Ino: true}), forget(e.Name())); err != nil {
			return fmt.Errorf("remove a lab left by process %d: %w", pid, err)
		}
	}
	return nil
}
