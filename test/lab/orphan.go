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
