// Command failover measures how long usher and keepalived take to fail over, on the
// wire of a client, interleaved in one run. It prints by how much each exceeds what
// the protocol itself asks for: Active_Down_Interval after the last advertisement,
// Skew_Time after a resignation (RFC 9568 section 6.1).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"usher/test/lab"
)

func main() { os.Exit(run()) }

// options are what the command line says.
type options struct {
	runs      int
	intervals []time.Duration
	kinds     []string
	load      bool
	soak      time.Duration
}

func parse() (o options, err error) {
	runs := flag.Int("runs", 40, "failovers of each kind, interval and program")
	intervals := flag.String("intervals", "1s,100ms,10ms", "advertisement intervals")
	kinds := flag.String("kinds", "kill,stop,cut", "what happens to the active router")
	load := flag.Bool("load", false, "both cores busy and 5,000 health checks a second on the backup router's machine")
	soak := flag.Duration("soak", 0, "instead of failing over, run undisturbed for so long and count false takeovers")
	flag.Parse()
	o = options{runs: *runs, kinds: strings.Split(*kinds, ","), load: *load, soak: *soak}
	for s := range strings.SplitSeq(*intervals, ",") {
		d, err := time.ParseDuration(s)
		if err != nil {
			return o, err
		}
		o.intervals = append(o.intervals, d)
	}
	return o, nil
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse()
	if err == nil {
		err = measure(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "failover:", err)
		return 1
	}
	return 0
}

// measure prints one table row for each program, interval and kind of failure.
func measure(ctx context.Context, o options) (err error) {
	root, err := lab.Root()
	if err != nil {
		return err
	}
	release, err := lab.Alone(root)
	if err != nil {
		return err
	}
	defer release()
	binary, err := lab.Build(ctx, root, false)
	if err != nil {
		return err
	}
	if o.soak > 0 {
		for _, interval := range o.intervals {
			if err := soak(ctx, filepath.Join(root, "artifacts"), binary, interval, o); err != nil {
				return err
			}
		}
		return nil
	}
	fmt.Println("excess over the protocol's bound in ms, median / p99: first advertisement, first gratuitous ARP, first answered TCP SYN")
	fmt.Printf("%-11s %-9s %-6s %5s  %-17s %-17s %-17s\n", "program", "interval", "event", "runs", "advert", "garp", "tcp")
	for _, interval := range o.intervals {
		if err := measureInterval(ctx, filepath.Join(root, "artifacts"), binary, interval, o); err != nil {
			return err
		}
	}
	return nil
}

// measureInterval runs both programs side by side, each in a lab of its own, and
// makes their active routers fail in turn.
func measureInterval(ctx context.Context, base, binary string, interval time.Duration, o options) (err error) {
	var benches []*bench
	for _, p := range []program{usher{}, keepalived{}} {
		b, e := newBench(ctx, base, binary, p, interval, o.load)
		if e != nil {
			return errors.Join(err, e)
		}
		defer func() { err = errors.Join(err, b.close()) }()
		benches = append(benches, b)
	}
	for _, kind := range o.kinds {
		results := make([][]result, len(benches))
		for range o.runs {
			for i, b := range benches {
				r, err := b.failover(ctx, kind)
				if err != nil {
					return fmt.Errorf("%s at %v, %s: %w", b.program.name(), interval, kind, err)
				}
				results[i] = append(results[i], r)
			}
		}
		for i, b := range benches {
			fmt.Printf("%-11s %-9v %-6s %5d  %-17s %-17s %-17s\n", b.program.name(), interval, kind, len(results[i]),
				quantiles(results[i], func(r result) time.Duration { return r.advert }),
				quantiles(results[i], func(r result) time.Duration { return r.garp }),
				quantiles(results[i], func(r result) time.Duration { return r.tcp }))
		}
	}
	return nil
}
