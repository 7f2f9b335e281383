// Command checks measures what health checks cost: CPU time of a probe, resident
// memory, how late probes come, how soon a server's death is known, and how soon a dead
// server is out of IPVS; usher and keepalived in turns, in the same run, on the same
// servers, and with the median of the rounds.
//
// It works in a network namespace of its own that ends with it. Where the kernel
// has no IPVS, keepalived runs with a library that makes its calls to IPVS succeed
// (ipvs_stub.c.txt, built with gcc): its checkers are what is measured. The time to a
// dead server's removal is then measured in the lab's virtual machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() { os.Exit(run()) }

// options are what the command line says.
type options struct {
	usher    string
	tcp      []int
	full     []int
	http     []int
	measure  time.Duration
	rounds   int
	deaths   int
	removal  bool // be the part that looks at IPVS
	soak     time.Duration
	programs []string
}

func parse() (o options, err error) {
	usher := flag.String("usher", "build/usher", "the program to measure")
	tcp := flag.String("tcp", "1000,5000,10000", "numbers of tcp checks at an interval of 1 s")
	full := flag.String("full", "1000,5000", "numbers of tcp checks that complete the handshake (half_open = false)")
	http := flag.String("http", "1000,5000", "numbers of http checks")
	programs := flag.String("programs", "usher,keepalived", "what to measure")
	length := flag.Duration("measure", 6*time.Second, "how long CPU is measured in each round")
	rounds := flag.Int("rounds", 3, "how often both programs are measured, in turns")
	deaths := flag.Int("deaths", 10, "how many servers die while IPVS is watched; 0 for none")
	removal := flag.Bool("removal", false, "watch IPVS alone")
	soak := flag.Duration("soak", 0, "run usher's last tcp set for so long, and look for growth")
	flag.Parse()
	o = options{
		usher: *usher, measure: *length, rounds: *rounds, deaths: *deaths, removal: *removal, soak: *soak,
		programs: strings.Split(*programs, ","),
	}
	if o.rounds < 1 {
		return o, fmt.Errorf("%d rounds: it must be 1 at least", o.rounds)
	}
	if o.tcp, err = numbers(*tcp); err != nil {
		return o, err
	}
	if o.full, err = numbers(*full); err != nil {
		return o, err
	}
	o.http, err = numbers(*http)
	return o, err
}

func numbers(list string) ([]int, error) {
	var ns []int
	for s := range strings.SplitSeq(list, ",") {
		if s == "" {
			continue
		}
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 30000 {
			return nil, fmt.Errorf("%q is not a number of checks from 1 to 30000", s)
		}
		ns = append(ns, n)
	}
	return ns, nil
}

// inside is set in the environment of the process that runs in the namespace.
const inside = "USHER_BENCH_INSIDE"

// serving is set in that of the process that plays the servers.
const serving = "USHER_BENCH_SERVERS"

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case os.Getenv(serving) != "":
		err = serve(ctx)
	case os.Getenv(inside) == "":
		var o options
		if o, err = parse(); err != nil {
			break
		}
		if !o.removal {
			err = enter(ctx)
		}
		if o.deaths > 0 {
			err = errors.Join(err, watch(ctx, o))
		}
	default:
		var o options
		if o, err = parse(); err == nil {
			err = compare(ctx, o)
		}
	}
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "checks:", err)
		return 1
	}
	return 0
}

// enter runs this program again in a network namespace of its own.
func enter(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("measure: %w", err)
	}
	return nil
}

// compare measures everything and prints it.
func compare(ctx context.Context, o options) error {
	w, err := newWorld(ctx, o)
	if err != nil {
		return err
	}
	defer w.close()
	fmt.Printf("%-11s %-5s %6s %8s %11s %9s %9s %8s %23s %9s\n",
		"program", "check", "number", "rate/s", "us CPU each", "us user", "us system", "RSS MB", "late p50/p99/max ms", "known ms")
	failed := false
	for _, set := range o.sets() {
		rounds := make(map[string][]result)
		for i := range o.rounds {
			for j := range o.programs {
				// Each begins in turn.
				program := o.programs[(i+j)%len(o.programs)]
				r, err := w.measure(ctx, program, set)
				if err != nil {
					return err
				}
				rounds[program] = append(rounds[program], r)
			}
		}
		var results []result
		for _, program := range o.programs {
			r := median(rounds[program])
			fmt.Println(r)
			results = append(results, r)
		}
		for _, complaint := range judge(results) {
			failed = true
			fmt.Println("    " + complaint)
		}
	}
	if o.soak > 0 {
		if err := w.soak(ctx, o); err != nil {
			return err
		}
	}
	if failed {
		return errors.New("usher is not as cheap or as punctual as it has to be")
	}
	return nil
}

// set is one measurement: so many checks of a kind: "tcp", "full" (tcp that completes
// the handshake, which is all that keepalived knows) or "http".
type set struct {
	kind string
	n    int
}

func (o options) sets() []set {
	var list []set
	for _, n := range o.tcp {
		list = append(list, set{"tcp", n})
	}
	for _, n := range o.full {
		list = append(list, set{"full", n})
	}
	for _, n := range o.http {
		list = append(list, set{"http", n})
	}
	return list
}
