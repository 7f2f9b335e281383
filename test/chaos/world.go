package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"usher/test/lab"
)

// World is a lab with directors, a client and everything that befalls them.
type World struct {
	*lab.Lab
	directors []*Director
	patience  time.Duration // how long they may take to be well again
	began     time.Time
	servers   []*server // real servers; none without IPVS
	router    *router   // nil where nothing is announced
	echoes    []net.Listener
	undo      []func() // see later

	mu    sync.Mutex
	trace strings.Builder
}

// Director is one of them, and what the person who looks after it knows.
type Director struct {
	*lab.Node
	world *World
	n     int
	setup Setup // what its configuration file says when nobody spoilt it

	run     *lab.Process // its usher, which may have ended
	tracked *lab.Process // what its track_process looks for
	places  places

	left      map[string]string   // interfaces that stay as somebody left them, and how
	renamed   map[string]string   // interfaces under another name
	bad       map[string]bool     // kinds of tracks that stay bad
	ending    bool                // usher was told to end, and could not: it was stopped, perhaps
	stopped   bool                // usher was ended in good order and is not started again
	resting   bool                // maintenance stays on
	spoilt    bool                // its state folder was: what kernel settings were before is not known any more
	withdrawn map[string]bool     // announcements that stay withdrawn
	disabled  bool                // servers of announcements were
	dirty     bool                // the configuration file is not what usher runs
	byHand    map[netip.Addr]bool // VIPs that somebody put there and leaves
	onLo      map[netip.Addr]bool // likewise, on lo, where they are no fault
	touched   map[string]string   // kernel settings that somebody changed, and their value before
	before    map[string]string   // kernel settings before usher's first start
	counts    counts              // when all was well for the first time
}

// mountName is what the file systems of the state folders are called in the kernel's
// list, with the number of the process that mounted them.
const mountName = "usher-chaos-"

// sweep unmounts what processes have left that were killed.
func sweep() error {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		owner, ours := strings.CutPrefix(f[0], mountName)
		pid, err := strconv.Atoi(owner)
		if !ours || err != nil || syscall.Kill(pid, 0) == nil {
			continue
		}
		if err := unix.Unmount(f[1], unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) { // another sweep was quicker
			return fmt.Errorf("unmount %s: %w", f[1], err)
		}
	}
	return nil
}

// stateSize is that of the file system that the state folder is on.
const stateSize = "2m"

// echoPort is where each director says its name.
const echoPort = 7

// watched are the kernel settings that have to be as before when usher has ended.
var watched = []string{
	"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding",
	"net/ipv4/conf/eth0/arp_ignore", "net/ipv4/conf/eth0/arp_announce", "net/ipv4/conf/eth0/rp_filter", "net/ipv4/conf/eth0/accept_local",
	"net/ipv4/conf/eth1/arp_ignore", "net/ipv4/conf/eth1/arp_announce", "net/ipv4/conf/eth1/rp_filter", "net/ipv4/conf/eth1/accept_local",
	"net/ipv6/conf/eth0/proxy_ndp", "net/ipv6/conf/eth1/proxy_ndp", "net/ipv6/conf/eth0/disable_ipv6", "net/ipv6/conf/eth1/disable_ipv6",
	"net/ipv4/vs/conntrack", "net/ipv4/vs/expire_nodest_conn", "net/ipv4/vs/expire_quiescent_template",
}

// newWorld builds the lab of a setup. Nothing of usher runs yet. Its folder is
// made below base.
func newWorld(ctx context.Context, base, usher string, s Setup, patience time.Duration) (*World, error) {
	if err := sweep(); err != nil {
		return nil, err
	}
	l, err := lab.New(ctx, base, lab.Options{Forward: s.Forward, Usher: usher, Third: s.Directors > 2, Visitor: true})
	if err != nil {
		return nil, err
	}
	w := &World{Lab: l, patience: patience, began: time.Now()}
	for i, n := range l.Directors() {
		d := &Director{Node: n, world: w, n: i, setup: s.clone(), left: map[string]string{}, renamed: map[string]string{},
			bad: map[string]bool{}, byHand: map[netip.Addr]bool{}, onLo: map[netip.Addr]bool{}, touched: map[string]string{}, withdrawn: map[string]bool{}}
		w.directors = append(w.directors, d)
		if err := d.prepare(ctx); err != nil {
			return nil, errors.Join(err, w.close())
		}
	}
	if err := errors.Join(w.serve(ctx), w.route(s)); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// prepare makes what the director's configuration names, and the file itself.
func (d *Director) prepare(ctx context.Context) error {
	lib := filepath.Join(d.Dir, "lib")
	if err := os.MkdirAll(lib, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(mountName+strconv.Itoa(os.Getpid()), lib, "tmpfs", 0, "size="+stateSize); err != nil {
		return fmt.Errorf("a small file system for the state: %w", err)
	}
	d.places = places{router: d.Name, script: filepath.Join(d.Dir, "probe.sh"), file: filepath.Join(d.Dir, "weight"), process: d.process()}
	if err := errors.Join(d.goodTracks(ctx), d.writeConfig()); err != nil {
		return err
	}
	if err := d.echo(); err != nil {
		return err
	}
	var err error
	d.before, err = settings(d.Node, watched)
	return err
}

// process is the name of the process that track_process looks for: process names
// are the machine's, and have 15 bytes.
func (d *Director) process() string {
	name := filepath.Base(d.world.Dir) // lab-123456789
	return fmt.Sprintf("w%s%s", name[max(0, len(name)-10):], d.Name)
}

func (d *Director) writeConfig() error {
	_, err := d.WriteFile("usher.hcl", d.setup.HCL(d.n, d.places))
	return err
}

// goodTracks has everything that is tracked say that all is well, but for what
// shall stay bad.
func (d *Director) goodTracks(ctx context.Context) error {
	if !d.bad[trackScript] {
		if err := replace(d.places.script, "#!/bin/sh\nexit 0\n", 0o755); err != nil {
			return err
		}
	}
	if !d.bad[trackFile] {
		if err := replace(d.places.file, "0\n", 0o644); err != nil {
			return err
		}
	}
	if !d.bad[trackProcess] && (d.tracked == nil || ended(d.tracked)) {
		program := filepath.Join(d.Dir, d.places.process)
		if _, err := os.Stat(program); err != nil {
			if err := os.Symlink("/bin/sleep", program); err != nil {
				return err
			}
		}
		var err error
		d.tracked, err = d.Start("tracked", program, "100000")
		return err
	}
	return nil
}

// replace puts a file in the place of whatever is there.
func replace(path, content string, mode os.FileMode) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", []byte(content), mode); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func ended(p *lab.Process) bool {
	select {
	case <-p.Done():
		return true
	default:
		return false
	}
}

// echo has the director say its name to whoever connects to any of its addresses.
func (d *Director) echo() error {
	return d.Do(func() error {
		l, err := net.Listen("tcp", fmt.Sprintf(":%d", echoPort))
		if err != nil {
			return err
		}
		d.world.echoes = append(d.world.echoes, l)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				io.WriteString(c, d.Name) //nolint:errcheck // the client tells
				c.Close()
			}
		}()
		return nil
	})
}

// start starts usher and waits until it answers.
func (d *Director) start(ctx context.Context) error {
	p, err := d.StartUsher("run", "-c", filepath.Join(d.Dir, "usher.hcl"))
	if err != nil {
		return err
	}
	d.run, d.dirty, d.ending = p, false, false // one that is slow to answer runs all the same
	return d.Serves(ctx, p)
}

// running says whether its usher runs.
func (d *Director) running() bool { return d.run != nil && !ended(d.run) }

// family is usher's parent, what it has started, and the guard.
func (d *Director) family() []int {
	if !d.running() {
		return nil
	}
	return append([]int{d.run.PID()}, lab.Family(d.run.PID())...)
}

// child is the process that holds the VRRP instances; 0 while there is none.
func (d *Director) child() int {
	for _, pid := range d.family() {
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.Contains(string(b), "vrrp-child") {
			return pid
		}
	}
	return 0
}

func (d *Director) signal(s syscall.Signal, pids ...int) {
	for _, pid := range pids {
		if pid > 0 {
			d.world.note("  kill -%d %d: %v", s, pid, syscall.Kill(pid, s))
		}
	}
}

// note writes a line of the trace.
func (w *World) note(format string, a ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(&w.trace, "%8.3f "+format+"\n", append([]any{time.Since(w.began).Seconds()}, a...)...)
}

// Trace is what was done and seen, with times.
func (w *World) Trace() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trace.String()
}

// sh runs a program inside a node as a person does, who only sees what comes of it.
func (w *World) sh(ctx context.Context, n *lab.Node, args ...string) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	out, err := n.Output(ctx, args...)
	if err != nil {
		w.note("  %v", strings.ReplaceAll(err.Error(), "\n", " "))
		return
	}
	w.note("  %s: %s %s", n.Name, strings.Join(args, " "), strings.TrimSpace(out))
}

// usher runs a command of usher on a director, whatever comes of it.
func (d *Director) usher(ctx context.Context, args ...string) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	begun := time.Now()
	out, err := d.Usher(ctx, args...)
	d.world.note("  %s: usher %s (%v): %s %v", d.Name, strings.Join(args, " "), time.Since(begun).Round(time.Millisecond),
		strings.ReplaceAll(strings.TrimSpace(out), "\n", " | "), err != nil)
}

func (w *World) close() error {
	for _, l := range w.echoes {
		l.Close()
	}
	for _, d := range w.directors {
		d.writable(true)
	}
	errs := []error{}
	if w.router != nil {
		errs = append(errs, os.RemoveAll(w.router.folder))
	}
	// Processes hold their own copies of the mounts.
	for _, d := range w.directors {
		if err := unix.Unmount(filepath.Join(d.Dir, "lib"), unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, w.Lab.Close())...)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
