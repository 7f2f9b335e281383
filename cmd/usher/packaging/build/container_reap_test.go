package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// script is the name by which this test's own program is a track script that leaves
// orphans; in an image there is no shell.
const script = "orphans"

// ran is where the script says that it ran, inside the container, once a byte.
const ran = "/run/ran"

// leaveOrphans is the script: it starts programs with sessions of their own, which end
// after it, and waits for none of them.
func leaveOrphans() error {
	if len(os.Args) > 1 {
		return nil
	}
	f, err := os.OpenFile(ran, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.WriteString("."); err != nil {
		return err
	}
	for range 3 {
		cmd := exec.Command("/proc/self/exe", "orphan")
		cmd.Args[0] = script
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			return err
		}
	}
	return f.Close()
}

// inside is a process of a container, as the machine outside has it.
type inside struct {
	pid   int
	name  string
	state string // Z for one that has ended and was not waited for
}

// below are all processes that have another one for an ancestor.
func below(t *testing.T, ancestor int) (all []inside) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	parents, found := map[int]int{}, map[int]inside{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // gone
		}
		pid, rest, _ := strings.Cut(string(text), " (")
		end := strings.LastIndex(rest, ") ")
		n, err := strconv.Atoi(pid)
		if f := strings.Fields(rest[end+1:]); err == nil && len(f) > 1 {
			found[n] = inside{n, rest[:end], f[0]}
			parents[n], _ = strconv.Atoi(f[1])
		}
	}
	for pid, p := range found {
		for of := parents[pid]; of != 0; of = parents[of] {
			if of == ancestor {
				all = append(all, p)
				break
			}
		}
	}
	return all
}

// await looks until what is asked for is so; it gives an error until then.
func await(t *testing.T, is func() error) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for err := is(); err != nil; err = is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Error(err)
			return
		}
	}
}

// TestContainerReaps: as the first process of a container usher waits for the orphans
// there, be they its own, a guard say, or those of programs that it runs; and none of its
// processes outlives its end.
func TestContainerReaps(t *testing.T) {
	netns := network(t)
	conf := strings.TrimSuffix(containerConf, "}\n") + "  track_script \"" + script + "\" {\n    command  = [\"/usr/bin/" + script + "\"]\n    interval = \"200ms\"\n    timeout  = \"10s\"\n  }\n}\n"
	dir := bundle(t, conf, netns, "CAP_NET_ADMIN", "CAP_NET_RAW")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "rootfs/usr/bin", script), read(t, self), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := container(t, dir)
	var family []inside
	holds(t, netns, cmd, func() {
		guard := func() (pid int) {
			for _, p := range below(t, cmd.Process.Pid) {
				if p.name == "usher-guard" && p.state != "Z" {
					pid = p.pid
				}
			}
			return pid
		}
		first := 0
		await(t, func() error {
			if first = guard(); first == 0 {
				return fmt.Errorf("no guard among %v", below(t, cmd.Process.Pid))
			}
			return nil
		})
		if first == 0 {
			return
		}
		marks := fmt.Sprintf("/proc/%d/root%s", first, ran)
		await(t, func() error {
			if text, err := os.ReadFile(marks); err != nil || len(text) < 5 {
				return errors.Join(err, fmt.Errorf("the script ran %d times", len(text)))
			}
			return nil
		})
		// Nobody's child but the first process's: so is the next one.
		if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		await(t, func() error {
			family = below(t, cmd.Process.Pid)
			if now := guard(); now == 0 || now == first || slices.ContainsFunc(family, func(p inside) bool { return p.state == "Z" }) {
				return fmt.Errorf("the first guard was %d; there are %v", first, family)
			}
			return nil
		})
	})
	if len(family) < 4 { // the first process, the daemon, VRRP and the guard
		t.Errorf("there were %v", family)
	}
	for _, p := range family {
		if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.pid)); err == nil && strings.TrimSpace(string(name)) == p.name {
			t.Errorf("%v is still there", p)
		}
	}
}
