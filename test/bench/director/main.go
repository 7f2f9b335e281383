// Command director measures how long usher and keepalived take to bring a large
// configuration into the kernel's IPVS, and to reload it with one weight changed,
// by turns in one run on one kernel. Where this machine's kernel has no IPVS it
// runs itself in the lab's virtual machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"usher/test/lab"
)

// limit is how long the whole run may take in the virtual machine.
const limit = 30 * time.Minute

// options are the flags.
type options struct {
	services int
	alone    []int
	rounds   int
	budget   time.Duration
}

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.IntVar(&o.services, "services", 1000, "virtual servers, of 10 real servers each, that both programs run")
	alone := flag.String("alone", "1000,3000,10000", "sizes that usher runs alone, to show how it grows")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of everything that both programs run")
	flag.DurationVar(&o.budget, "budget", 9*time.Minute, "time after which no further round begins")
	flag.Parse()
	for size := range strings.FieldsFuncSeq(*alone, func(r rune) bool { return r == ',' }) {
		n, err := strconv.Atoi(size)
		if err != nil || n < 1 || n > 60000 {
			fmt.Fprintf(os.Stderr, "director: size %q: it must be 1 to 60000\n", size)
			return 2
		}
		o.alone = append(o.alone, n)
	}
	code, err := measure(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "director:", err)
		return 1
	}
	return code
}

// measure finds where, and does.
func measure(ctx context.Context, o options) (int, error) {
	root, err := lab.Root()
	if err != nil {
		return 1, err
	}
	where, why, err := lab.Decide()
	if err != nil {
		return 1, err
	}
	usher, err := lab.Build(ctx, root, false)
	if err != nil {
		return 1, err
	}
	if where == lab.Guest {
		fmt.Fprintln(os.Stderr, "director:", why)
		return lab.Boot(ctx, root, usher, limit, os.Stdout, os.Stderr)
	}
	begun := time.Now()
	b := bench{base: filepath.Join(root, "artifacts"), usher: usher}
	if err := b.compare(ctx, o); err != nil {
		return 1, err
	}
	if err := b.grow(ctx, o.alone); err != nil {
		return 1, err
	}
	fmt.Printf("\nThe whole run took %s.\n", time.Since(begun).Round(time.Second))
	return 0, nil
}
