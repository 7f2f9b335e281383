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
	descriptors, threads, timeWait, rss int
}

func look(pid int) (g growth, err error) {
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return g, err
	}
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return g, err
	}
	u, err := use(pid)
	if err != nil {
		return g, err
	}
	text, err := os.ReadFile("/proc/self/net/sockstat")
	if err != nil {
		return g, err
	}
	_, after, _ := strings.Cut(string(text), " tw ")
	_, err = fmt.Sscan(after, &g.timeWait)
	g.descriptors, g.threads, g.rss = len(fds), len(tasks), u.rss
	return g, err
}

// soak runs usher for a long time and looks for growth.
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
	if err := pause(ctx, 10*time.Second); err != nil {
		return err
	}
	first, err := look(sub.pid)
	if err != nil {
		return err
	}
	if err := pause(ctx, o.soak); err != nil {
		return err
	}
	last, err := look(sub.pid)
	if err != nil {
		return err
	}
	fmt.Printf("after %s with %d checks: descriptors %d to %d, threads %d to %d, TIME_WAIT %d to %d, resident %d to %d kB\n", o.soak, n,
		first.descriptors, last.descriptors, first.threads, last.threads, first.timeWait, last.timeWait, first.rss, last.rss)
	if last.descriptors > first.descriptors+20 || last.threads > first.threads+5 || last.timeWait > 10 || last.rss > first.rss*5/4 {
		return errors.New("something grows")
	}
	return nil
}
