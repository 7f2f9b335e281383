package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// foster makes this process the parent of every descendant that loses its own, so
// that none is left as a zombie where process 1 does not wait for strangers, as in
// many containers.
func foster() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become the parent of orphans: %w", err)
	}
	return nil
}

// adopt remembers processes that are about to lose their parent; Close ends them.
func (l *Lab) adopt(pids []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.orphans = append(l.orphans, pids...)
}

// bury ends orphans and waits for their end. Those that are no children of this
// process, since somebody else waited for them, are passed over.
func bury(pids []int) {
	for _, pid := range pids {
		var ws syscall.WaitStatus
		// Only a child that still runs is killed: another's number may be a stranger's.
		if done, err := syscall.Wait4(pid, &ws, syscall.WNOHANG, nil); err != nil || done == pid {
			continue
		}
		syscall.Kill(pid, syscall.SIGKILL)
		for {
			if _, err := syscall.Wait4(pid, &ws, 0, nil); err != syscall.EINTR {
				break
			}
		}
	}
}

// guardName is how usher's guard names itself. It is nobody's child.
const guardName = "usher-guard"

// Guards lists usher's guards in the network namespace of a process that runs.
func Guards(pid int) []int {
	var here unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/net", pid), &here); err != nil {
		return nil
	}
	return named(guardName, func(dir string) bool {
		var st unix.Stat_t
		return unix.Stat(dir+"/ns/net", &st) == nil && st.Dev == here.Dev && st.Ino == here.Ino
	})
}

// Family lists what a process started, and the guards beside it.
func Family(pid int) []int { return append(Descendants(pid), Guards(pid)...) }

// buryGuards waits for guards that have ended as children of this process.
func buryGuards() {
	for _, pid := range named(guardName, func(dir string) bool {
		_, err := os.Stat(dir + "/ns/net")
		return err != nil // a zombie has none
	}) {
		var ws syscall.WaitStatus
		syscall.Wait4(pid, &ws, syscall.WNOHANG, nil) // where it is another's child, nothing comes of it
	}
}

// named lists the processes of a name whose folder in /proc passes.
func named(name string, passes func(dir string) bool) (pids []int) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	for _, dir := range dirs {
		if comm, err := os.ReadFile(dir + "/comm"); err != nil || strings.TrimSpace(string(comm)) != name || !passes(dir) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Descendants lists a process's children and theirs.
func Descendants(pid int) []int {
	var all []int
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // ended meanwhile
		}
		for _, word := range strings.Fields(string(b)) {
			if child, err := strconv.Atoi(word); err == nil {
				all = append(append(all, child), Descendants(child)...)
			}
		}
	}
	return all
}
