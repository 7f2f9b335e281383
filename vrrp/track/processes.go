package track

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"usher/vrrp"
)

// rescan is how often /proc is read where the kernel does not tell of processes.
const rescan = time.Second

// census knows which running processes bear a name.
type census struct {
	name string
	pids map[int]bool
}

// look reads what a process is now: it bears the name if its own name (which the
// kernel cuts at 15 bytes) or its first argument's last element is that.
func (c *census) look(pid int) {
	if bears(pid, c.name) {
		c.pids[pid] = true
	} else {
		delete(c.pids, pid)
	}
}

func bears(pid int, name string) bool {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return false // it is gone
	}
	// "pid (name) state ...", and a name may hold anything.
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open || bytes.HasPrefix(stat[end+1:], []byte(" Z")) {
		return false // dead, and only not buried by its parent
	}
	if string(stat[open+1:end]) == name {
		return true
	}
	line, err := os.ReadFile(dir + "/cmdline")
	if err != nil {
		return false
	}
	first, _, _ := bytes.Cut(line, []byte{0})
	return len(first) > 0 && filepath.Base(string(first)) == name
}

// scan reads all processes.
func (c *census) scan() error {
	c.pids = map[int]bool{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			c.look(pid)
		}
	}
	return nil
}

// process watches how many processes of a name run.
func (t *Tracker) process(tr vrrp.Track) watch {
	quorum := max(1, tr.Quorum)
	return func(ctx context.Context, before *result, publish func(result)) {
		publish = settled(ctx, tr.UpDelay, tr.DownDelay, before, publish)
		c := &census{name: tr.Name}
		var last *result
		tell := func() {
			n := len(c.pids)
			up := n >= quorum
			if last != nil && last.up == up {
				return
			}
			last = &result{up: up, reason: fmt.Sprintf("process %s: %d running, %d needed", tr.Name, n, quorum)}
			publish(*last)
		}
		err := watchProcesses(ctx, c, tell)
		if ctx.Err() != nil {
			return
		}
		t.o.Log.Warn("vrrp: the kernel does not tell of processes here; /proc is read once a second", "process", tr.Name, "error", err)
		tick := time.NewTicker(rescan)
		defer tick.Stop()
		for ctx.Err() == nil {
			if err := c.scan(); err != nil {
				t.o.Log.Error("vrrp: read /proc", "error", err)
			}
			tell()
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}
}
