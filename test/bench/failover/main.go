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
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"usher/test/lab"
)

func main() { os.Exit(run()) }

// options are what the command line says.
type options struct {
	runs      int
	intervals []time.Duration
	kinds     []string
	load      bool
	realtime  bool
	hmac      bool
	soak      time.Duration
}

// programs are what is measured, side by side.
func (o options) programs() []program { return []program{usher{o.hmac}, keepalived{o.realtime}} }

func parse() (o options, err error) {
	runs := flag.Int("runs", 40, "failovers of each kind, interval and program")
	intervals := flag.String("intervals", "1s,100ms,10ms", "advertisement intervals")
	kinds := flag.String("kinds", "kill,stop,cut", "what happens to the active router")
	load := flag.Bool("load", false, "both cores busy and 5,000 health checks a second on the backup router's machine")
	realtime := flag.Bool("realtime", false, "give keepalived a real-time schedule, which it does not have unless it is told to")
	hmac := flag.Bool("hmac", false, "usher signs and verifies its adverts; keepalived, which cannot before 2.4, goes without")
	soak := flag.Duration("soak", 0, "instead of failing over, run undisturbed for so long and count false takeovers")
	flag.Parse()
	o = options{runs: *runs, kinds: strings.Split(*kinds, ","), load: *load, realtime: *realtime, hmac: *hmac, soak: *soak}
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
	if len(os.Args) == 2 && os.Args[1] == watchWord {
		if err := watchProcessors(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "watch:", err)
			return 1
		}
		return 0
	}
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
	if err := environment(ctx, os.Stdout); err != nil {
		return err
	}
	fmt.Println("excess over the protocol's bound in ms, median / p99: first advertisement, first gratuitous ARP, first answered TCP SYN")
	fmt.Printf("%-11s %-9s %-6s %5s  %-17s %-17s %-17s\n", "program", "interval", "event", "runs", "advert", "garp", "tcp")
	var all verdict
	for _, interval := range o.intervals {
		if err := measureInterval(ctx, filepath.Join(root, "artifacts"), binary, interval, o, &all); err != nil {
			return err
		}
	}
	all.print(os.Stdout)
	return nil
}

// labsOf is how many labs of each program fail over at the same time. Between two
// failures a lab mostly waits; the shorter the interval the more do those of
// several get in each other's way.
func labsOf(o options, interval time.Duration) int {
	switch {
	case o.load || interval < 100*time.Millisecond:
		return 1
	case interval < time.Second:
		return 2
	}
	return 4
}

// startBenches gives n labs of each program, usher's and keepalived's in turn, with the
// load beside them that the options ask for. They are to be ended, whatever the error.
func startBenches(ctx context.Context, base, binary string, interval time.Duration, o options, n int) (benches []*bench, end func() error, err error) {
	end = func() (err error) {
		for _, b := range slices.Backward(benches) {
			err = errors.Join(err, b.close())
		}
		return err
	}
	for range n {
		for _, p := range o.programs() {
			b, err := newBench(ctx, base, binary, p, interval)
			if err != nil {
				return benches, end, err
			}
			benches = append(benches, b)
		}
	}
	if o.load {
		err = startLoad(benches[0].lab)
	}
	return benches, end, err
}

// measureInterval runs both programs side by side, in as many labs, and makes
// their active routers fail again and again. All labs bring their failed router back
// only when every one of them has been measured: no start of a process disturbs.
func measureInterval(ctx context.Context, base, binary string, interval time.Duration, o options, all *verdict) (err error) {
	n := labsOf(o, interval)
	benches, end, err := startBenches(ctx, base, binary, interval, o, n)
	defer func() { err = errors.Join(err, end()) }()
	if err != nil {
		return err
	}
	for _, kind := range o.kinds {
		results := map[string][]result{}
		for range (o.runs + n - 1) / n {
			if err := round(ctx, benches, kind, interval, results); err != nil {
				return err
			}
		}
		for _, b := range benches[:2] {
			name := b.program.name()
			fmt.Printf("%-11s %-9v %-6s %5d  %-17s %-17s %-17s\n", name, interval, kind, len(results[name]),
				quantiles(results[name], result.ofAdvert), quantiles(results[name], result.ofGARP), quantiles(results[name], result.ofTCP))
		}
		all.judge(fmt.Sprintf("%v %s", interval, kind), results[usher{o.hmac}.name()], results[keepalived{}.name()])
	}
	return nil
}

// round makes every lab fail over once. At the shortest intervals one does after the
// other, else all at once.
func round(ctx context.Context, benches []*bench, kind string, interval time.Duration, results map[string][]result) error {
	var mu sync.Mutex
	var fails, mends errgroup.Group
	if interval < 100*time.Millisecond {
		fails.SetLimit(1)
	}
	for _, b := range benches {
		fails.Go(func() error {
			r, err := b.failover(ctx, kind)
			if errors.Is(err, errLimit) { // a router that never takes over is part of the result
				fmt.Printf("%s at %v, %s: %v\n", b.program.name(), interval, kind, err)
				return nil
			}
			if err != nil {
				return fmt.Errorf("%s at %v, %s: %w", b.program.name(), interval, kind, err)
			}
			mu.Lock()
			defer mu.Unlock()
			results[b.program.name()] = append(results[b.program.name()], r)
			return nil
		})
	}
	if err := fails.Wait(); err != nil {
		return err
	}
	for _, b := range benches {
		mends.Go(func() error {
			if err := b.mend(ctx, kind); !errors.Is(err, errLimit) {
				return err
			}
			return nil // the next round waits again
		})
	}
	return mends.Wait()
}
