package command

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// children are the processes whose parent a process is now.
func children(pid int) []int {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is good
	if len(files) == 0 {
		return scan(pid) // a kernel without CONFIG_PROC_CHILDREN, or a process that is gone
	}
	var all []int
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended; its children are another's
		}
		for word := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				all = append(all, child)
			}
		}
	}
	return all
}

// scan finds the same by asking every process of the machine.
func scan(pid int) (all []int) {
	files, _ := filepath.Glob("/proc/[0-9]*")
	for _, f := range files {
		child, err := strconv.Atoi(filepath.Base(f))
		if p, ok := look(child); err == nil && ok && p.parent == pid {
			all = append(all, child)
		}
	}
	return all
}

// tree is a process with everything below it.
func tree(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		for _, child := range children(all[i]) {
			if !slices.Contains(all, child) {
				all = append(all, child)
			}
		}
	}
	return all
}

// process is what /proc/PID/stat says of one.
type process struct {
	state                  byte
	parent, group, session int
}

// look reads it; false for one that is gone.
func look(pid int) (p process, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, false
	}
	// The name, in parentheses, may hold anything, parentheses too.
	_, err = fmt.Sscanf(string(text[bytes.LastIndexByte(text, ')')+1:]), " %c %d %d %d", &p.state, &p.parent, &p.group, &p.session)
	return p, err == nil
}

// variable is what a process has in its environment, "" for nothing or where that cannot
// be seen. The kernel shows it to root with CAP_SYS_PTRACE, and to the process's own
// user, whom a thread can become for the purpose: the service's own root has that
// capability not.
func variable(pid int, name string) string {
	found := make(chan string)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this
		path := fmt.Sprintf("/proc/%d/environ", pid)
		text, err := os.ReadFile(path)
		var s unix.Stat_t
		if err != nil && unix.Stat(fmt.Sprintf("/proc/%d", pid), &s) == nil {
			_ = unix.Setfsgid(int(s.Gid)) // if not, the file cannot be read
			_ = unix.Setfsuid(int(s.Uid))
			text, _ = os.ReadFile(path)
		}
		for v := range bytes.SplitSeq(text, []byte{0}) {
			if value, ok := bytes.CutPrefix(v, []byte(name+"=")); ok {
				found <- string(value)
				return
			}
		}
		found <- ""
	}()
	return <-found
}
