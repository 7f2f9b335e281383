package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// growth is what must not grow.
type growth struct {
	descriptors, threads, goroutines, timeWait, rss int
}

func (g growth) String() string {
	return fmt.Sprintf("%4d descriptors, %2d threads, %3d goroutines, %3d TIME_WAIT, %5.1f MB resident",
		g.descriptors, g.threads, g.goroutines, g.timeWait, float64(g.rss)/1024)
}

// look awaits the next figures that usher gives of itself, and adds those of the kernel.
func look(ctx context.Context, sub *subject) (g growth, f figures, err error) {
	select {
	case <-ctx.Done():
		return g, f, ctx.Err()
	case <-sub.done:
		return g, f, errors.New("usher ended")
	case f = <-sub.stats:
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", sub.pid))
	if err != nil {
		return g, f, err
	}
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", sub.pid))
	if err != nil {
		return g, f, err
	}
	u, err := use(sub.pid)
	if err != nil {
		return g, f, err
	}
	text, err := os.ReadFile("/proc/self/net/sockstat")
	if err != nil {
		return g, f, err
	}
	_, after, _ := strings.Cut(string(text), " tw ")
	_, err = fmt.Sscan(after, &g.timeWait)
	g.descriptors, g.threads, g.goroutines, g.rss = len(fds), len(tasks), f.Goroutines, u.rss
	return g, f, err
}

// soak runs usher for a long time and looks for growth, each minute.
func (w *world) soak(ctx context.Context, o options) error {
	if len(o.tcp) == 0 {
		return errors.New("soak: there is no tcp set")
	}
	n := o.tcp[len(o.tcp)-1]
	sub, err := w.launch(ctx, "usher", set{"tcp", n})
	if err != nil {
		return err
	}
	defer sub.stop()
	if err := sub.settle(ctx, n); err != nil {
		return err
	}
	fmt.Printf("\nusher with %d tcp checks for %s:\n", n, o.soak)
	first, _, err := look(ctx, sub)
	if err != nil {
		return err
	}
	begun, last := time.Now(), first
	var f figures
	fmt.Printf("  %6s  %s\n", "begin", first)
	for time.Since(begun) < o.soak-time.Second {
		if last, f, err = look(ctx, sub); err != nil {
			return err
		}
		fmt.Printf("  %6s  %s; %d probes, %d late by half an interval\n", time.Since(begun).Round(time.Second), last, f.Started, f.Late)
	}
	var errs []error
	if last.descriptors > first.descriptors+20 || last.threads > first.threads+5 || last.goroutines > first.goroutines+20 ||
		last.timeWait > 10 || last.rss > first.rss*5/4 {
		errs = append(errs, errors.New("something grows"))
	}
	if lost := sub.lost(); lost > 0 {
		errs = append(errs, fmt.Errorf("%d servers were taken down that were well", lost))
	}
	return errors.Join(errs...)
}
