package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// result is one line of the table, or one round of it.
type result struct {
	program string
	set     set
	rate    float64
	user    time.Duration // of CPU, each probe
	system  time.Duration
	rss     int // kB
	late    [3]time.Duration
	death   time.Duration
}

func (r result) cpu() time.Duration { return r.user + r.system }

func (r result) String() string {
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
	return fmt.Sprintf("%-11s %-5s %6d %8.0f %11.1f %9.1f %9.1f %8.1f %7.1f/%7.1f/%7.1f %9.0f",
		r.program, r.set.kind, r.set.n, r.rate, us(r.cpu()), us(r.user), us(r.system), float64(r.rss)/1024,
		ms(r.late[0]), ms(r.late[1]), ms(r.late[2]), ms(r.death))
}

// usage is a process's use of CPU and memory.
type usage struct {
	user, system time.Duration
	rss          int // KiB
}

// tick is the unit of /proc/PID/stat (USER_HZ).
const tick = 10 * time.Millisecond

func use(pid int) (u usage, err error) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return u, err
	}
	stat, err := proc.Stat()
	if err != nil {
		return u, err
	}
	return usage{
		user: time.Duration(stat.UTime) * tick, system: time.Duration(stat.STime) * tick,
		rss: stat.ResidentMemory() >> 10,
	}, nil
}

// pause waits, or ends early with the context.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// measure runs one program on one set: first its CPU alone, then, with a capture
// beside it that costs CPU too, how punctual it is and how soon it knows of a death.
func (w *world) measure(ctx context.Context, program string, s set) (result, error) {
	r := result{program: program, set: s}
	dying, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", victim, victimPort))
	if err != nil {
		return r, err
	}
	defer dying.Close()
	go func() {
		for {
			conn, err := dying.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	sub, err := w.launch(ctx, program, s)
	if err != nil {
		return r, err
	}
	defer sub.stop()
	if err := sub.settle(ctx, s.n+1); err != nil {
		return r, err
	}
	if err := pause(ctx, 3*time.Second); err != nil {
		return r, err
	}
	segments, err := opened()
	if err != nil {
		return r, err
	}
	before, err := use(sub.pid)
	if err != nil {
		return r, err
	}
	begun := time.Now()
	if err := pause(ctx, w.options.measure); err != nil {
		return r, err
	}
	after, err := use(sub.pid)
	if err != nil {
		return r, err
	}
	more, err := opened()
	if err != nil {
		return r, err
	}
	probes := more - segments
	if probes == 0 {
		return r, fmt.Errorf("%s made no probe", program)
	}
	r.rate = float64(probes) / time.Since(begun).Seconds()
	r.user, r.system = (after.user-before.user)/time.Duration(probes), (after.system-before.system)/time.Duration(probes)
	r.rss = after.rss
	if r.late, err = lateness(ctx, port(s.kind), max(w.options.measure*2/3, 3*interval)); err != nil {
		return r, err
	}
	died := time.Now()
	dying.Close()
	for sub.when("down").Before(died) {
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return r, err
		}
		if time.Since(died) > 10*time.Second {
			return r, fmt.Errorf("%s does not notice a server's death", program)
		}
	}
	r.death = sub.when("down").Sub(died)
	return r, nil
}

// opened is how many connections this namespace has begun.
func opened() (int, error) {
	text, err := os.ReadFile("/proc/self/net/snmp")
	if err != nil {
		return 0, err
	}
	var names, values []string
	for line := range strings.SplitSeq(string(text), "\n") {
		if after, ok := strings.CutPrefix(line, "Tcp: "); ok {
			names, values = values, strings.Fields(after)
		}
	}
	for i, name := range names {
		if name == "ActiveOpens" && i < len(values) {
			var n int
			_, err := fmt.Sscan(values[i], &n)
			return n, err
		}
	}
	return 0, fmt.Errorf("/proc/self/net/snmp has no ActiveOpens")
}

// median puts rounds together: of each figure the median, of the latest probe the worst.
func median(rounds []result) result {
	r := rounds[0]
	of := func(f func(result) time.Duration) time.Duration {
		var list []time.Duration
		for _, x := range rounds {
			list = append(list, f(x))
		}
		slices.Sort(list)
		return list[len(list)/2]
	}
	// CPU as a whole is what counts: its parts come from the round that has the median.
	total := of(result.cpu)
	for _, x := range rounds {
		if x.cpu() == total {
			r.user, r.system, r.rate = x.user, x.system, x.rate
		}
		r.rss = max(r.rss, x.rss)
		r.late[2] = max(r.late[2], x.late[2])
	}
	for i := range 2 {
		r.late[i] = of(func(x result) time.Duration { return x.late[i] })
	}
	r.death = of(func(x result) time.Duration { return x.death })
	return r
}

// judge compares usher with what it has to be (and with keepalived beside it).
func judge(results []result) []string {
	var complaints []string
	say := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	var ours, theirs *result
	for i := range results {
		switch results[i].program {
		case "usher":
			ours = &results[i]
		case "keepalived":
			theirs = &results[i]
		}
	}
	if ours == nil {
		return nil
	}
	if theirs != nil && ours.cpu() > theirs.cpu() {
		say("usher spends %s of CPU on a probe, keepalived %s", ours.cpu(), theirs.cpu())
	}
	if least := 0.98 * float64(ours.set.n); ours.rate < least {
		say("usher falls behind: %.0f probes a second of %d", ours.rate, ours.set.n)
	}
	if ours.late[1] > 20*time.Millisecond {
		say("usher's probes are late by %s at the 99th percentile, 20ms is the limit", ours.late[1])
	}
	if ours.rss > 64<<10 {
		say("usher has %d kB resident, 64 MB is the limit", ours.rss)
	}
	return complaints
}
