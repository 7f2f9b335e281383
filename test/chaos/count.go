package chaos

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"usher/test/lab"
)

// counts are what a director's usher uses.
type counts struct {
	descriptors int // of the parent and the child
	goroutines  int // of the parent
}

// How much more than at the beginning may be in use: what is in use for a moment,
// and for each thing that was added to the configuration since.
const (
	slackDescriptors = 8
	slackGoroutines  = 16
)

func (d *Director) count(ctx context.Context) (counts, error) {
	var c counts
	for _, pid := range []int{d.run.PID(), d.child()} {
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			return c, err
		}
		c.descriptors += len(fds)
	}
	b, err := d.Control(ctx, "/metrics")
	if err != nil {
		return c, err
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "go_goroutines "); ok {
			c.goroutines, err = strconv.Atoi(rest)
		}
	}
	return c, err
}

// judgeCounts compares with what was in use at the beginning, for the same
// configuration in size.
func (v *view) judgeCounts(ctx context.Context) (faults []Fault) {
	if v.stopped {
		return nil
	}
	fault := func(format string, a ...any) {
		faults = append(faults, Fault{kindProcess, v.Name + ": " + fmt.Sprintf(format, a...)})
	}
	now, err := v.count(ctx)
	switch {
	case err != nil:
		fault("%v", err)
	case v.counts == counts{}:
		return nil // this is the beginning
	case now.descriptors > v.counts.descriptors+slackDescriptors+v.grown():
		fault("%d open descriptors, %d at the beginning", now.descriptors, v.counts.descriptors)
	case now.goroutines > v.counts.goroutines+slackGoroutines+v.grown():
		fault("%d goroutines, %d at the beginning", now.goroutines, v.counts.goroutines)
	}
	children := 0
	for _, pid := range lab.Descendants(v.run.PID()) {
		switch stat := procState(pid); {
		case stat == "Z":
			fault("a zombie, process %d", pid)
		case procHas(pid, "vrrp-child"):
			children++
		}
	}
	if children != 1 {
		fault("%d processes hold VRRP instances", children)
	}
	return faults
}

// grown is room for what actions have added to the configuration.
func (d *Director) grown() int {
	n := 0
	for _, in := range d.setup.Instances {
		if strings.HasPrefix(in.Name, "late") {
			n += 16
		}
		n += 4 * len(in.Tracks)
	}
	if d.setup.BGP != nil {
		n += 24 // sessions come and go
	}
	return n
}

// procState is the state of a process as in /proc/PID/stat; "" for none.
func procState(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:min(1, len(rest))]
}

func procHas(pid int, word string) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains(string(b), word)
}

// strangers are processes in the director's namespace that run usher's program or
// were started for it, after its end.
func (d *Director) strangers() (all []string, err error) {
	var here string
	if err := d.Do(func() (err error) {
		here, err = os.Readlink("/proc/thread-self/ns/net")
		return err
	}); err != nil {
		return nil, err
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == os.Getpid() || (d.tracked != nil && pid == d.tracked.PID()) {
			continue
		}
		if ns, err := os.Readlink(dir + "/ns/net"); err != nil || ns != here {
			continue
		}
		line, _ := os.ReadFile(dir + "/cmdline") // it may have ended
		all = append(all, fmt.Sprintf("process %d, %q", pid, bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
	}
	return all, nil
}
