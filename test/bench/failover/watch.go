package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// watchWord makes this program a watch.
const watchWord = "watch-processors"

// watch is a process that does nothing but sleep on every processor, with a real-time
// schedule above all that is measured. Where it wakes late, the machine stood still:
// no program could have been on time there.
type watch struct {
	cmd *exec.Cmd
	out io.ReadCloser
}

// nap is how often the watch wakes; the limits are what is counted.
const nap = time.Millisecond

var limits = []time.Duration{5 * time.Millisecond, 25 * time.Millisecond, 100 * time.Millisecond}

// stalls is what the watch of one processor saw.
type stalls struct {
	CPU   int
	Late  []int // how often it woke later than each of the limits
	Most  time.Duration
	Error string
}

func startWatch(ctx context.Context) (*watch, error) {
	w := &watch{cmd: exec.CommandContext(ctx, "/proc/self/exe", watchWord)}
	w.cmd.Stderr = os.Stderr
	var err error
	if w.out, err = w.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	return w, w.cmd.Start()
}

// report ends the watch and says what it saw.
func (w *watch) report(to io.Writer) error {
	if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	for d := json.NewDecoder(w.out); ; {
		var s stalls
		err := d.Decode(&s)
		if err == io.EOF {
			return w.cmd.Wait()
		}
		if err != nil {
			return err
		}
		if s.Error != "" {
			fmt.Fprintf(to, "processor %d is not watched: %s\n", s.CPU, s.Error)
			continue
		}
		fmt.Fprintf(to, "processor %d stood still for more than %v %d times, %v %d times, %v %d times, at most %v\n", s.CPU,
			limits[0], s.Late[0], limits[1], s.Late[1], limits[2], s.Late[2], s.Most.Round(100*time.Microsecond))
	}
}

// watchProcessors is the watch's own life, until it is told to end.
func watchProcessors(ctx context.Context) error {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return err
	}
	runtime.GOMAXPROCS(all.Count() + 2)
	var wg sync.WaitGroup
	seen := make([]stalls, all.Count())
	for cpu, i := 0, 0; i < len(seen); cpu++ {
		if all.IsSet(cpu) {
			s := &seen[i]
			s.CPU = cpu
			i++
			wg.Go(func() { s.watch(ctx) })
		}
	}
	wg.Wait()
	for _, s := range seen {
		if err := json.NewEncoder(os.Stdout).Encode(s); err != nil {
			return err
		}
	}
	return nil
}

// watch sleeps again and again on one processor.
func (s *stalls) watch(ctx context.Context) {
	runtime.LockOSThread() // and never unlocked: the thread ends with its goroutine
	s.Late = make([]int, len(limits))
	var only unix.CPUSet
	only.Set(s.CPU)
	const above = 60
	err := unix.SchedSetaffinity(0, &only)
	if err == nil {
		err = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: above}, 0)
	}
	if err != nil {
		s.Error = err.Error()
		return
	}
	for ctx.Err() == nil {
		start := time.Now()
		ts := unix.NsecToTimespec(int64(nap))
		_, _ = unix.Ppoll(nil, &ts, nil)
		late := time.Since(start) - nap
		s.Most = max(s.Most, late)
		for i, l := range limits {
			if late > l {
				s.Late[i]++
			}
		}
	}
}
